"""One staging log being written: equal files on two volumes, appended to by one writer and synced at every append.

After a failure it takes no instance any more: what was acknowledged before stands on at least one of its volumes, and
the writer goes on in another log. It is cut back to that and ended, so that it can go once it is packed, while
its writer lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from retention.keyring.keyring import Keyring
from retention.model.canonical import JsonValue
from retention.model.errors import ObjectNotFoundError, StorageError, VolumeFullError
from retention.model.identifiers import InstitutionId
from retention.services.staging.frames import FrameKind, LogCipher
from retention.services.staging.places import choose, has_room, log_key
from retention.services.volumes import VolumeSet
from retention.storage.volume import Volume

_NOBODY = InstitutionId("0" * 32)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame to be written. `meta` of a PART is empty; of a LAST it is completed with where the parts lie."""

    kind: FrameKind
    institution: InstitutionId
    meta: dict[str, JsonValue]
    data: bytes


@dataclass(slots=True)
class StagingLog:
    """A log, empty as long as nothing was appended. Used by one thread at a time."""

    name: str
    volumes: VolumeSet
    copies: Sequence[Volume]
    keyring: Keyring
    size_bytes: int = 0
    _is_begun: bool = False
    _number: int = 0
    _ciphers: dict[InstitutionId, LogCipher] = field(default_factory=dict)
    _parts: list[JsonValue] = field(default_factory=list)

    @classmethod
    def begin(cls, name: str, volumes: VolumeSet, hot: Sequence[str], keyring: Keyring) -> StagingLog:
        """Choose where it will lie. Raises PlacementError, VolumeFullError."""
        return cls(name, volumes, choose(volumes, hot), keyring)

    def append(self, frames: Sequence[Frame]) -> None:
        """Write frames to all copies, durably. Raises StorageError: then it may only be ended."""
        for volume in self.copies:
            if not has_room(volume):
                raise VolumeFullError(
                    f"volume {volume.name} has no room for what is received",
                    hint="what is staged is being packed; free space, or add a volume",
                    volume=volume.name,
                )
        pieces: list[bytes] = []
        size_bytes = self.size_bytes
        for frame in frames:
            sealed = self._sealed(frame, size_bytes)
            size_bytes += sum(map(len, sealed))
            pieces += sealed
        self._is_begun = True
        _write(self.volumes, self.copies, log_key(self.name), b"".join(pieces), self.size_bytes)
        self.size_bytes = size_bytes

    def end(self) -> None:
        """Say that nothing will follow: it can be removed once what it holds is packed. Raises StorageError.

        That may take of the space that packing needs: it is little, and packing gives back what the log has. What a
        failed append left was never acknowledged, and is cut off.
        """
        if not self._is_begun:
            return
        for volume in self.copies:
            try:
                volume.truncate(log_key(self.name), self.size_bytes)
            except ObjectNotFoundError:
                if self.size_bytes:
                    raise
        sealed = self._sealed(Frame(FrameKind.END, _NOBODY, {}, b""), self.size_bytes)
        _write(self.volumes, self.copies, log_key(self.name), b"".join(sealed), self.size_bytes)
        self._is_begun = False

    def _sealed(self, frame: Frame, offset: int) -> tuple[bytes, bytes, bytes]:
        number, self._number = self._number, self._number + 1
        if frame.kind is FrameKind.END:
            return self._cipher(None).seal(frame.kind, number, frame.institution, {}, b"")
        meta = dict(frame.meta)
        if frame.kind is FrameKind.LAST:
            meta["parts"] = self._parts
            self._parts = []
        sealed = self._cipher(frame.institution).seal(frame.kind, number, frame.institution, meta, frame.data)
        if frame.kind is FrameKind.PART:
            self._parts.append([number, offset, sum(map(len, sealed))])
        return sealed

    def _cipher(self, institution: InstitutionId | None) -> LogCipher:
        key = institution or _NOBODY
        if key not in self._ciphers:
            opened = self.keyring.index_key if institution is None else self.keyring.payload_key(institution)
            self._ciphers[key] = LogCipher(opened.secret, self.name)
        return self._ciphers[key]


def _write(volumes: VolumeSet, copies: Sequence[Volume], key: str, data: bytes, expected_size: int) -> None:
    """Append to all copies at once; raise the first failure when none is under way any more."""
    pool = volumes.pool()
    appends = [pool.submit(volume.append, key, data, expected_size) for volume in copies[1:]]
    errors: list[StorageError] = []
    try:
        copies[0].append(key, data, expected_size)
    except StorageError as error:
        errors.append(error)
    for append in appends:
        try:
            append.result()
        except StorageError as error:
            errors.append(error)
    if errors:
        raise errors[0]
