"""Package keys, patient keys: many records, in files of bounded size so that forgetting one rewrites little.

Records are appended durably to all replicas or to none, found again by identifier, and forgotten by rewriting their
file: after that the wrapped key is in no file of any replica that could be reached.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from retention.keyring.keyfile import (
    RECORDS_PER_FILE,
    Parents,
    heal_file,
    is_proven,
    list_segments,
    put_together,
    read_file,
    replace_everywhere,
    series_key,
)
from retention.keyring.records import (
    KeyKind,
    KeyRecord,
    WrappingKey,
    marked,
    parse_record,
    record_mark,
)
from retention.model.errors import KeyringBrokenError, KeyUnavailableError, StorageError
from retention.model.identifiers import KeyId
from retention.model.replica import Part, ReplicaSet

_CACHED_FILES = 4
_PARENT = re.compile(rb'"parent":"([0-9a-f]{32})"')


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting reached. The replicas in `pending` still have the wrapped keys: `heal` when they are back."""

    key_ids: tuple[KeyId, ...]
    on: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last file of a series: how many records and bytes it has, and on which replicas it is so."""

    segment: int
    records: int
    size_bytes: int
    in_step: frozenset[str]


class KeySeries:
    """All keys of one kind. One writer at a time appends or forgets; any thread may find."""

    def __init__(self, replicas: ReplicaSet, kind: KeyKind, parents: Parents) -> None:
        self.kind = kind
        self.records_per_file = RECORDS_PER_FILE
        self._replicas = replicas
        self._parents = parents
        self._tail: _Tail | None = None
        self._cache: OrderedDict[int, tuple[Mapping[str, str | None], list[bytes]]] = OrderedDict()

    def segments(self) -> list[int]:
        """Return the numbers of the files that any replica has, ascending."""
        return sorted(list_segments(self._replicas, self.kind))

    def find(self, key_id: KeyId, segment: int | None = None) -> KeyRecord:
        """Return the record of a key that is not forgotten, looking first in `segment`, then from the newest file back.

        Raises KeyUnavailableError when it was forgotten or is not there, KeyringBrokenError when it is damaged on every
        replica that can be reached, VolumeUnavailableError when none can.
        """
        for number in self._likely(segment):
            record = self._find_in(number, key_id)
            if record is not None:
                return record
        raise self._unknown(key_id)

    def find_many(self, segments: Mapping[KeyId, int]) -> dict[KeyId, KeyRecord]:
        """Return the records of many keys whose files are known, each file looked at once.

        Only where all replicas agree and the record is whole: for the others `find` has the answer, or the reason.
        Raises VolumeUnavailableError when no replica answers.
        """
        found: dict[KeyId, KeyRecord] = {}
        by_segment: dict[int, list[KeyId]] = {}
        for key_id, segment in segments.items():
            by_segment.setdefault(segment, []).append(key_id)
        for segment, key_ids in by_segment.items():
            contents = self._contents(segment)
            if len(contents) == 1:
                found |= self._found_in(contents[0], key_ids)
        return found

    def _found_in(self, content: bytes, key_ids: Iterable[KeyId]) -> dict[KeyId, KeyRecord]:
        lines: dict[bytes, bytes] = {}
        for line in content.split(b"\n"):
            lines.setdefault(marked(line), line)  # the first is the one that `find` meets
        found: dict[KeyId, KeyRecord] = {}
        for key_id in key_ids:
            record = parse_record(lines.get(record_mark(key_id), b""))
            if record is None or record.kind is not self.kind or record.forgotten is not None:
                continue
            if is_proven(record, self._parents):
                found[key_id] = record
        return found

    def holds(self, key_id: KeyId, segment: int | None = None) -> bool:
        """Whether any replica that can be reached has a record of this key, be it that it was forgotten.

        Looks first in `segment`. Raises VolumeUnavailableError when no replica answers.
        """
        return any(
            any(_line_of(content, key_id) is not None for content in self._contents(number))
            for number in self._likely(segment)
        )

    def append(self, records: Sequence[KeyRecord]) -> dict[KeyId, int]:
        """Append records durably, all on at least the minimum of replicas; return the segment of each.

        Raises VolumeUnavailableError or VolumeFullError when fewer took them: then none counts.
        """
        if not records:
            return {}
        tail = self._tail or self._settle()
        try:
            return self._append(records, tail)
        except StorageError:
            grown = self._settle()
            if (grown.segment, grown.size_bytes) == (tail.segment, tail.size_bytes):
                raise
            # Somebody else appended meanwhile. Records have no order, so ours may follow.
            return self._append(records, grown)

    def forget(self, key_ids: Iterable[KeyId], segments: Mapping[KeyId, int]) -> Forgotten:
        """Put a proof of forgetting in the place of each key, in every file of every replica that can be reached.

        `segments` says where keys are, as far as that is known. Doing it again does no harm. Raises
        KeyUnavailableError when a key is not there and KeyringBrokenError when a file is not whole, before anything is
        written; VolumeUnavailableError when fewer than the minimum of replicas could be written: those that were have
        forgotten, and it is to be done again.
        """
        chosen = tuple(key_ids)
        by_segment: dict[int, list[KeyId]] = {}
        for key_id in chosen:
            by_segment.setdefault(self._locate(key_id, segments.get(key_id)), []).append(key_id)
        rewritten = [self._without(number, ids) for number, ids in by_segment.items()]
        reached = set(self._replicas.names)
        self._tail = None
        self._cache.clear()
        for key, content in rewritten:
            reached &= replace_everywhere(self._replicas, key, content).done.keys()
        in_order = [name for name in self._replicas.names if name in reached]
        pending = [name for name in self._replicas.names if name not in reached]
        return Forgotten(chosen, tuple(in_order), tuple(pending))

    def rewrap(self, segment: int, successors: Mapping[KeyId, WrappingKey]) -> Counter[str]:
        """Put every key of a file whose parent has a successor under that one; return how many, by their owner.

        Replicas that differ are made equal to what counts. Doing it again does no harm. Raises KeyringBrokenError when
        the file is not whole, before anything is written; VolumeUnavailableError when fewer than the minimum of
        replicas took it: those that did keep it, and it is to be done again.
        """
        key = series_key(self.kind, segment)
        read = read_file(self._replicas, key)
        if not any(named_parents(content) & successors.keys() for content in read.done.values()):
            return Counter()
        state = put_together(key, read, self._parents)
        state.require_whole()
        moved: Counter[str] = Counter()
        for key_id, record in state.records.items():
            under, following = self._parents(record.parent), successors.get(record.parent)
            again = None if under is None or following is None else record.moved(under, following)
            if again is not None:
                state.records[key_id] = again
                moved[record.owner] += 1
        self._tail = None
        self._cache.clear()
        replace_everywhere(self._replicas, key, state.content())
        return moved

    def parents_named(self, segment: int) -> dict[str, set[KeyId]]:
        """Return by replica which parents its records of a file name; what could not be read is not there."""
        read = read_file(self._replicas, series_key(self.kind, segment))
        return {name: named_parents(content) for name, content in read.done.items()}

    def count(self) -> tuple[int, int]:
        """Return how many keys there are, and how many were forgotten; where replicas differ, as the fullest has it."""
        kept = gone = 0
        for segment in self.segments():
            counts = [(text.count(b"\n"), text.count(b'"forgotten":')) for text in self._contents(segment)]
            records, forgotten = max(counts)
            kept, gone = kept + records - forgotten, gone + forgotten
        return kept, gone

    def _likely(self, segment: int | None) -> Iterator[int]:
        if segment is not None:
            yield segment
        yield from (number for number in reversed(self.segments()) if number != segment)

    def _find_in(self, segment: int, key_id: KeyId) -> KeyRecord | None:
        found, is_damaged = None, False
        for content in self._contents(segment):
            line = _line_of(content, key_id)
            if line is None:
                continue
            record = parse_record(line)
            if record is None or record.kind is not self.kind or not is_proven(record, self._parents):
                is_damaged = True
            elif record.forgotten is not None:
                raise KeyUnavailableError(f"{self.kind} key {key_id} was destroyed", key=key_id)
            else:
                found = record
        if found is None and is_damaged:
            raise KeyringBrokenError(
                f"the record of {self.kind} key {key_id} is damaged on every replica that can be reached",
                hint="bring back another volume that holds the keyring: retention volume check",
                key=key_id,
            )
        return found

    def _contents(self, segment: int) -> list[bytes]:
        """Return the different contents that replicas have of a file; from memory while all versions are the same."""
        key = series_key(self.kind, segment)
        # Asked before reading: what changes in between is noticed the next time.
        versions = self._replicas.each(lambda replica: replica.version(key)).done
        cached = self._cache.get(segment)
        if cached is not None and cached[0] == versions:
            return cached[1]
        contents = sorted(set(read_file(self._replicas, key).done.values()))
        self._cache[segment] = (versions, contents)
        while len(self._cache) > _CACHED_FILES:
            self._cache.popitem(last=False)
        return contents

    def _locate(self, key_id: KeyId, segment: int | None) -> int:
        for number in self._likely(segment):
            if any(_line_of(content, key_id) is not None for content in self._contents(number)):
                return number
        raise self._unknown(key_id)

    def _without(self, segment: int, key_ids: Sequence[KeyId]) -> tuple[str, bytes]:
        """Return the key of a file and its content after forgetting."""
        key = series_key(self.kind, segment)
        state = put_together(key, read_file(self._replicas, key), self._parents)
        state.require_whole()
        for key_id in key_ids:
            record = state.records[key_id]
            under = self._parents(record.parent)
            if record.forgotten is None and under is not None:
                state.records[key_id] = record.forget(under.secret)
        return key, state.content()

    def _append(self, records: Sequence[KeyRecord], tail: _Tail) -> dict[KeyId, int]:
        parts: list[Part] = []
        placed: dict[KeyId, int] = {}
        segment, count, size_bytes = tail.segment, tail.records, tail.size_bytes
        rest = list(records)
        while rest:
            if count >= self.records_per_file:
                segment, count, size_bytes = segment + 1, 0, 0
            room = self.records_per_file - count
            fitting, rest = rest[:room], rest[room:]
            data = b"".join(record.line() for record in fitting)
            parts.append(Part(series_key(self.kind, segment), data, size_bytes))
            placed |= dict.fromkeys((record.key_id for record in fitting), segment)
            count, size_bytes = count + len(fitting), size_bytes + len(data)
        self._tail = None
        outcome = self._replicas.append(parts, only=tail.in_step)
        if not outcome.failed and len(tail.in_step) == len(self._replicas.names):
            self._tail = _Tail(segment, count, size_bytes, tail.in_step)
        return placed

    def _settle(self) -> _Tail:
        """Make the last file equal on all replicas that can be reached; raise when these are fewer than the minimum."""
        owing = self._replicas.take_back_owed()
        segment = max(self.segments(), default=1)
        key = series_key(self.kind, segment)
        read = read_file(self._replicas, key)
        contents = set(read.done.values())
        content = contents.pop()
        failed = dict(read.failed)
        in_step = set(read.done)
        if contents or content.rpartition(b"\n")[2]:
            state = put_together(key, read, self._parents)
            healed = heal_file(self._replicas, state)
            content = state.content()
            failed |= healed.failed
            in_step -= healed.failed.keys() | state.lost.keys()
        in_step -= owing
        if len(in_step) < self._replicas.minimum:
            raise self._replicas.too_few(failed, len(in_step), "are in step with the keyring")
        return _Tail(segment, content.count(b"\n"), len(content), frozenset(in_step))

    def _unknown(self, key_id: KeyId) -> KeyUnavailableError:
        return KeyUnavailableError(
            f"{self.kind} key {key_id} is not in the keyring",
            hint="check that all volumes with the keyring can be reached: retention keys status",
            key=key_id,
        )


def named_parents(content: bytes) -> set[KeyId]:
    """Return every parent that a record of a file names."""
    return {KeyId(found.decode("ascii")) for found in set(_PARENT.findall(content))}


def _line_of(content: bytes, key_id: KeyId) -> bytes | None:
    """Return the line (without newline) that is the record of a key, as far as it can be recognised."""
    at = content.find(record_mark(key_id))
    if at < 0:
        return None
    end = content.find(b"\n", at)
    return content[content.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(content)]
