"""Shards on their way to their volumes: placed, written, sealed, published, read back.

A volume that fails on the way does not stop the package while enough shards remain; what it should have got becomes
write debt. Below that the package is refused, and nothing of it stays; what cannot be removed at once is said
(`is_left`), so that the session keeps its list for the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress

from retention.model.errors import IntegrityError, PlacementError, ReadBackError, StorageError
from retention.model.identifiers import PackageId
from retention.model.layout import Protection, TierSpec
from retention.package.check import ShardCheck, check_shard
from retention.package.shard import Reference
from retention.services import gate
from retention.services.volumes import VolumeSet, shard_key
from retention.storage.placement import place, required_shards
from retention.storage.state import VolumeState
from retention.storage.volume import Upload, Volume


class ShardUpload:
    """One shard: a sink that remembers its failure instead of raising it. After a failure nothing more happens.

    `is_read`: its bytes were read back and compared. Without it a sound one was compared by the checksum that the
    service computed over what it stored (`Volume.read_back`).
    """

    def __init__(self, volume: Volume, key: str, session: str) -> None:
        """Begin it. Raises StorageError."""
        self._volume = volume
        self._upload: Upload = volume.begin(key, session)
        self._is_published = False
        self.key = key
        self.failure: StorageError | None = None
        self.is_left = False
        self.is_read = False

    @property
    def volume(self) -> str:
        return self._volume.name

    @property
    def is_remote(self) -> bool:
        return self._volume.is_remote

    @property
    def size_bytes(self) -> int:
        return self._upload.size_bytes

    def write(self, data: bytes | memoryview) -> None:
        self._attempt(lambda: self._upload.write(data))

    def start_write_out(self) -> None:
        self._attempt(self._upload.start_write_out)

    def seal(self) -> None:
        self._attempt(self._upload.seal)

    def publish(self) -> None:
        def publish() -> None:
            self._upload.publish()
            self._is_published = True

        self._attempt(publish)

    def read_back(self, reference: Reference, shard: int) -> None:
        """Compare the published shard, read from the medium, with what was meant."""
        self._attempt(lambda: self._compare(reference, shard))

    def fail(self, error: StorageError) -> None:
        """It does not count: discard it, published or not."""
        if self.failure is None:
            self.failure = error
        self.discard()

    def discard(self) -> None:
        """Remove whatever of it lies on the volume; may be called again."""
        if not self._is_published:
            with suppress(StorageError):  # the next start discards what this session left
                self._upload.abort()
            return
        try:
            gate.take_back(self._volume, self.key)
            self._is_published, self.is_left = False, False
        except StorageError:
            self.is_left = True

    def _attempt(self, step: Callable[[], None]) -> None:
        if self.failure is None:
            try:
                step()
            except StorageError as error:
                self.fail(error)

    def _compare(self, reference: Reference, shard: int) -> None:
        opened = self._volume.read_back(self._upload)
        if opened is None:
            return
        with opened as reader:
            try:
                found = check_shard(reader, reference, shard)
            except IntegrityError as error:
                raise _differs(self, error.message) from error
        if not found.is_sound:
            raise _differs(self, _described(found))
        self.is_read = True


class PackageUploads:
    """All shards of one new package. `refusals` say why a shard that has its place could not even be begun."""

    def __init__(
        self,
        package: PackageId,
        protection: Protection,
        uploads: Mapping[int, ShardUpload],
        refusals: Sequence[StorageError] = (),
    ) -> None:
        self._package = package
        self._protection = protection
        self._refusals = tuple(refusals)
        self.uploads = dict(uploads)

    @classmethod
    def begin(
        cls,
        volumes: VolumeSet,
        tier: TierSpec,
        states: Mapping[str, VolumeState],
        package: PackageId,
        session: str,
    ) -> PackageUploads:
        """Place the package's shards on the tier and start an upload for each. Raises PlacementError, StorageError."""
        placement = place(
            [volume.spec for volume in volumes.of_tier(tier)],
            states,
            tier.protection,
            accept_single_domain=tier.accept_single_domain,
            rotate_by=int(package[:8], 16),
            spares=[volume.spec for volume in volumes.spares()],
        )
        uploads: dict[int, ShardUpload] = {}
        refusals: list[StorageError] = []
        try:
            for shard, name in placement.shards.items():
                try:
                    key = shard_key(package, shard, 0)
                    uploads[shard] = ShardUpload(volumes[name], key, session)
                except StorageError as error:
                    if type(error) is StorageError:  # not the volume's doing: too many open files
                        raise
                    refusals.append(error)
            begun = cls(package, tier.protection, uploads, refusals)
            begun.require_enough()
        except BaseException:
            for upload in uploads.values():
                upload.discard()
            raise
        return begun

    def sound(self) -> dict[int, ShardUpload]:
        """Return the uploads that have not failed, by shard number."""
        return {shard: upload for shard, upload in self.uploads.items() if upload.failure is None}

    def unread(self) -> list[int]:
        """Return the numbers of the sound shards that were compared by checksum only, not read back."""
        return [shard for shard, upload in self.sound().items() if not upload.is_read]

    @property
    def is_left(self) -> bool:
        """Whether a shard that does not count could not be removed from its volume."""
        return any(upload.is_left for upload in self.uploads.values())

    def require_enough(self) -> None:
        """Raise PlacementError, having discarded the rest, when too few shards are left to accept the package."""
        sound = self.sound()
        needed = required_shards(self._protection)
        if len(sound) >= needed:
            return
        self.discard()
        failures = [*self._refusals, *(upload.failure for upload in self.uploads.values() if upload.failure)]
        reasons = "; ".join(dict.fromkeys(failure.message for failure in failures))
        raise PlacementError(
            f"only {len(sound)} of {self._protection.shards} shards could be written, {needed} are needed"
            + (f" ({reasons})" if reasons else ""),
            hint="free space on the volumes or bring the missing ones back (retention volume list), then run it again",
            package=self._package,
        )

    def discard(self) -> None:
        """Remove whatever of the package lies on volumes."""
        for upload in self.uploads.values():
            upload.discard()

    def objects(self) -> list[tuple[str, str]]:
        """Return (volume, key) of every shard to be published."""
        return [(upload.volume, upload.key) for upload in self.sound().values()]

    def read_back(self, reference: Reference) -> None:
        """Compare every published shard with what was meant. Raises PlacementError when too few are left."""
        for shard, upload in self.uploads.items():
            upload.read_back(reference, shard)
        self.require_enough()


def seal_and_publish(uploads: Iterable[ShardUpload], volumes: VolumeSet) -> None:
    """Make shards durable under their names, syncing many files at once.

    Failures stay with the shards they belong to; `require_enough` says what they come to.
    """
    begun = list(uploads)
    pool: Executor = volumes.pool()
    for upload in begun:
        upload.start_write_out()
    list(pool.map(ShardUpload.seal, begun))
    for upload in begun:
        if not upload.is_remote:
            upload.publish()
    list(pool.map(ShardUpload.publish, [upload for upload in begun if upload.is_remote]))
    by_volume: dict[str, list[ShardUpload]] = {}
    for upload in begun:
        if upload.failure is None:
            by_volume.setdefault(upload.volume, []).append(upload)

    def flush(name: str) -> None:
        try:
            volumes[name].flush()
        except StorageError as error:
            for upload in by_volume[name]:
                upload.fail(error)

    list(pool.map(flush, by_volume))


def _described(found: ShardCheck) -> str:
    return ", ".join(found.parts) or f"{len(found.bad_cells)} cells"


def _differs(upload: ShardUpload, what: str) -> ReadBackError:
    return ReadBackError(
        f"volume {upload.volume} does not give back what was written to {upload.key}: {what}",
        hint="check the medium and this machine's memory; retention volume check",
        volume=upload.volume,
        key=upload.key,
    )
