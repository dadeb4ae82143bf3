"""What is staged: read from the logs themselves, by whoever needs to know, while they are being written and after.

There is no other record of what was received: what recovery reads is what everybody reads. Looking again reads only
what is new. A log whose copies are damaged at one place is read up to there, kept, and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from retention.model.canonical import JsonValue
from retention.model.clock import parse_instant
from retention.model.errors import KeyringBrokenError, KeyUnavailableError, StorageError
from retention.model.identifiers import InstitutionId
from retention.services.events import list_of, number_of, text_of
from retention.services.sessions import under_way
from retention.services.staging.facts import StagedFacts
from retention.services.staging.frames import (
    HEADER_BYTES,
    META_LIMIT_BYTES,
    FrameHeader,
    FrameKind,
    LogCipher,
)
from retention.services.staging.places import PREFIX, done_key, log_key, parse_log_key
from retention.services.stores import Stores
from retention.storage.volume import ObjectReader


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame of a log starts, and its number."""

    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class StagedInstance:
    """An instance that was received whole and is not packed yet, as far as this index knows."""

    log: str
    places: tuple[Place, ...]
    institution: InstitutionId
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    facts: StagedFacts
    size_bytes: int
    received_at: datetime
    door: str
    sender: str

    @property
    def number(self) -> int:
        """Its number within the log: that of its last frame."""
        return self.places[-1].number


@dataclass(slots=True)
class LogState:
    """How far a log was read, whose instances it has, and which of them are still to be packed."""

    name: str
    session: str
    copies: list[str] = field(default_factory=list)
    size_bytes: int = 0
    read_bytes: int = 0
    is_ended: bool = False
    is_over: bool = False
    is_damaged: bool = False
    staged: dict[int, StagedInstance] = field(default_factory=dict)
    studies: set[tuple[InstitutionId, str]] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    done_bytes: int = 0
    """How much there was to read of what is noted as packed, when it was read."""

    @property
    def is_spent(self) -> bool:
        """Whether nothing of it is needed any more, and nothing will come."""
        return (self.is_ended or self.is_over) and not self.staged and not self.is_damaged


class StagedIndex:
    """All staged instances of an archive. Used by one thread at a time."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.logs: dict[str, LogState] = {}

    def refresh(self) -> None:
        """Look at the logs as they are now. A volume that does not answer is left out."""
        alive = under_way(self._stores.root).names
        found = self._listed()
        for name in self.logs.keys() - found.keys():
            del self.logs[name]
        for name, state in found.items():
            known = self.logs.get(name)
            if known is None or state.size_bytes < known.read_bytes:
                self.logs[name] = known = state
                known.done = self._done(known)
            elif state.done_bytes != known.done_bytes:  # another process packs
                known.done = self._done(known)
                for number in known.done:
                    known.staged.pop(number, None)
            known.copies, known.size_bytes, known.done_bytes = (
                state.copies,
                state.size_bytes,
                state.done_bytes,
            )
            known.is_over = known.session not in alive
            self._read_on(known, known.done)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return what is another when anything else is staged than before."""
        return tuple((log.name, log.read_bytes, len(log.staged)) for log in self.logs.values())

    def staged(self) -> Iterator[StagedInstance]:
        for log in self.logs.values():
            yield from log.staged.values()

    def studies(self) -> set[tuple[InstitutionId, str]]:
        """Return the studies of which bytes lie in a log: staged, or packed in a log that others still need."""
        return set().union(*(log.studies for log in self.logs.values()))

    def _listed(self) -> dict[str, LogState]:
        found: dict[str, LogState] = {}
        noted: dict[str, int] = {}
        for volume in self._stores.volumes:
            try:
                for stat in volume.list(PREFIX):
                    named = parse_log_key(stat.key)
                    if named is not None:
                        state = found.setdefault(named[0], LogState(*named))
                        state.copies.append(volume.name)
                        state.size_bytes = max(state.size_bytes, stat.size_bytes)
                    else:
                        noted[stat.key] = max(noted.get(stat.key, 0), stat.size_bytes)
            except StorageError:
                continue
        for name, state in found.items():
            state.done_bytes = noted.get(done_key(name), 0)
        return found

    def _done(self, log: LogState) -> set[int]:
        """Return the numbers of what is packed already, as any copy says."""
        done: set[int] = set()
        for name in log.copies:
            try:
                with self._stores.volumes[name].open(done_key(log.name)) as reader:
                    lines = reader.read_at(0, reader.size_bytes).split(b"\n")[:-1]
            except StorageError:
                continue
            done.update(int(line) for line in lines if line.isdigit())
        return done

    def _read_on(self, log: LogState, done: set[int]) -> None:
        log.is_damaged = False
        while log.read_bytes < log.size_bytes and not log.is_ended:
            if not any(self._read_frames(log, copy, done) for copy in log.copies):
                # What is not whole in any copy, and not just being written, was never acknowledged, or is damaged.
                log.is_damaged = self._is_damaged(log)
                return

    def _read_frames(self, log: LogState, copy: str, done: set[int]) -> bool:
        """Read frames of one copy as far as they are whole; return whether there were any."""
        start = log.read_bytes
        try:
            with self._stores.volumes[copy].open(log_key(log.name)) as reader:
                while (frame := _whole_header(reader, log.read_bytes)) is not None:
                    if not self._take(log, reader, frame, done):
                        break
        except StorageError:
            pass  # the other copy has it
        return log.read_bytes > start

    def _take(self, log: LogState, reader: ObjectReader, frame: FrameHeader, done: set[int]) -> bool:
        offset = log.read_bytes
        if frame.kind is FrameKind.LAST:
            sealed = reader.read_at(offset + HEADER_BYTES, min(frame.meta_bytes, META_LIMIT_BYTES))
            try:
                meta = cipher_of(self._stores, log.name, frame.institution).open_meta(frame, sealed)
                instance = _instance(log.name, frame, offset, meta)
            except (KeyUnavailableError, KeyringBrokenError, TypeError, ValueError, KeyError):
                return False
            log.studies.add((instance.institution, instance.study_uid))
            if frame.number not in done:
                log.staged[frame.number] = instance
        log.is_ended = frame.kind is FrameKind.END
        log.read_bytes = offset + frame.frame_bytes
        return not log.is_ended

    def _is_damaged(self, log: LogState) -> bool:
        """Whether a frame that should be whole is not: its header is damaged, or its meta does not open."""
        for copy in log.copies:
            try:
                with self._stores.volumes[copy].open(log_key(log.name)) as reader:
                    rest = reader.size_bytes - log.read_bytes
                    header = FrameHeader.decode(reader.read_at(log.read_bytes, HEADER_BYTES))
            except StorageError:
                return True
            if rest >= HEADER_BYTES and (header is None or rest >= header.frame_bytes):
                return True
        return False


def cipher_of(stores: Stores, log: str, institution: InstitutionId) -> LogCipher:
    """Return what opens an institution's frames of a log. Raises KeyUnavailableError."""
    return LogCipher(stores.keyring.payload_key(institution).secret, log)


def _whole_header(reader: ObjectReader, offset: int) -> FrameHeader | None:
    """Return the header of the frame at `offset` if all of the frame is there."""
    header = FrameHeader.decode(reader.read_at(offset, HEADER_BYTES))
    if header is None or offset + header.frame_bytes > reader.size_bytes:
        return None
    return header


def _instance(log: str, frame: FrameHeader, offset: int, meta: dict[str, JsonValue]) -> StagedInstance:
    places = [_place(part) for part in list_of(meta, "parts")]
    return StagedInstance(
        log,
        (*places, Place(frame.number, offset)),
        frame.institution,
        text_of(meta, "study"),
        text_of(meta, "series"),
        text_of(meta, "sop"),
        StagedFacts.read(meta["facts"]),
        number_of(meta, "size"),
        parse_instant(text_of(meta, "at")),
        text_of(meta, "door"),
        text_of(meta, "sender"),
    )


def _place(part: JsonValue) -> Place:
    if not isinstance(part, list) or len(part) != 3 or not all(isinstance(each, int) for each in part):
        raise TypeError("a part is not placed")
    return Place(part[0], part[1])
