"""One file of key records, as all replicas together have it.

Records are taken from whichever replica has them proven by their parent key, a proven forgetting beats the key it
forgets, and a newer wrapping beats an older one, so that neither damage nor a volume that was away or was changed by
somebody decides what the keyring holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby

from retention.keyring.records import KeyKind, KeyRecord, WrappingKey, parse_record
from retention.model.errors import KeyringBrokenError, RetentionError, VolumeUnavailableError
from retention.model.identifiers import KeyId
from retention.model.replica import Outcome, Replica, ReplicaSet, read_if_there

PREFIX = "keyring/"
INSTITUTIONS = "keyring/institutions.keys"
RECORDS_PER_FILE = 8192

_SERIES = {KeyKind.PACKAGE: "keyring/packages-", KeyKind.PATIENT: "keyring/patients-"}
_SUFFIX = ".keys"
_ID = re.compile(rb'"id":"([0-9a-f]{32})"')

# Where a parent key comes from; None when there is no such key.
Parents = Callable[[KeyId], WrappingKey | None]


def is_proven(record: KeyRecord, parents: Parents) -> bool:
    """Whether a record was made with its parent key, and not by damage or by somebody who has only the volume."""
    under = parents(record.parent)
    if under is None:
        return False
    return record.secret(under.secret) is not None or record.is_forgotten(under.secret)


def series_key(kind: KeyKind, segment: int) -> str:
    """Return the key of a file of package or patient keys; segments count from 1."""
    return f"{_SERIES[kind]}{segment:06d}{_SUFFIX}"


def list_segments(replicas: ReplicaSet, kind: KeyKind) -> set[int]:
    """Return the segment numbers of package or patient keys that any reachable replica has."""
    prefix = _SERIES[kind]

    def segments(replica: Replica) -> set[int]:
        names = (key for key in replica.list(PREFIX) if key.startswith(prefix))
        numbers = (name.removeprefix(prefix).removesuffix(_SUFFIX) for name in names)
        return {int(number) for number in numbers if number.isdecimal()}

    return set().union(*replicas.each(segments).done.values())


def read_file(replicas: ReplicaSet, key: str) -> Outcome[bytes]:
    """Read a file from every replica; an absent one is empty. Raises VolumeUnavailableError when none answers."""
    read = replicas.each(lambda replica: read_if_there(replica, key) or b"")
    if not read.done:
        reasons = "; ".join(f"{name}: {error.message}" for name, error in read.failed.items())
        raise VolumeUnavailableError(
            f"no replica of the keyring can be read ({reasons})",
            hint="bring back one of these volumes: retention volume check",
            replicas=sorted(read.failed),
        )
    return read


def replace_everywhere(replicas: ReplicaSet, key: str, content: bytes) -> Outcome[None]:
    """Put `content` in a file's place on every replica that can be reached, at least the minimum of them.

    Raises VolumeUnavailableError or VolumeFullError when fewer took it; those that did keep it.
    """
    replaced = replicas.each(lambda replica: replica.replace(key, content))
    if len(replaced.done) < replicas.minimum:
        raise replicas.too_few(replaced.failed, len(replaced.done), f"took {key}")
    return replaced


@dataclass(slots=True)
class FileState:
    """What counts of a file. `lost` says, by replica, that it has a damaged record that no replica has whole."""

    key: str
    found: Mapping[str, bytes]
    failed: Mapping[str, RetentionError]
    records: dict[KeyId, KeyRecord]
    lost: dict[str, str]

    def content(self) -> bytes:
        """Return what the file should be on every replica."""
        return b"".join(record.line() for record in self.records.values())

    def wrong(self, content: bytes) -> list[str]:
        """Return the replicas that can be made equal to `content` and are not."""
        return [name for name, found in self.found.items() if found != content and name not in self.lost]

    def broken(self) -> KeyringBrokenError:
        """Return the error that says that something is whole on no replica."""
        detail = "; ".join(f"on {name} {detail}" for name, detail in self.lost.items())
        return KeyringBrokenError(
            f"{self.key}: {detail or 'no replica that can be reached has it'}",
            hint="bring back another volume that holds the keyring: retention volume check",
            replicas=sorted(self.lost),
        )

    def require_whole(self) -> None:
        """Raise KeyringBrokenError when a record is damaged on every replica that has it."""
        if self.lost:
            raise self.broken()


def put_together(key: str, read: Outcome[bytes], parents: Parents) -> FileState:
    """Put together what counts of a file from what each replica has.

    Raises KeyringBrokenError when replicas have different keys under one identifier and both are proven.
    """
    counting: dict[bytes, KeyRecord | None] = {}
    contents: dict[bytes, tuple[int, int]] = {}
    for content in read.done.values():
        for line in lines_of(content):
            if line not in counting:
                record = parse_record(line)
                counting[line] = record if record is not None and is_proven(record, parents) else None
        whole = sum(counting[line] is not None for line in lines_of(content))
        contents[content] = whole, contents.get(content, (0, 0))[1] + 1
    records: dict[KeyId, KeyRecord] = {}
    # The fullest first, then the most frequent: so the order of records stays that of the sound replicas.
    for content in sorted(contents, key=contents.__getitem__, reverse=True):
        for line in lines_of(content):
            _take(records, counting[line], parents, key)
    lost = {name: _lost(content, counting, records) for name, content in read.done.items()}
    return FileState(
        key, read.done, read.failed, records, {name: detail for name, detail in lost.items() if detail}
    )


def heal_file(replicas: ReplicaSet, state: FileState) -> Outcome[None]:
    """Make the replicas that differ equal to what counts, except those with a record that nobody has whole."""
    content = state.content()

    def heal(replica: Replica) -> None:
        if content:
            replica.replace(state.key, content)
        else:
            replica.delete(state.key)

    return replicas.each(heal, only=state.wrong(content))


def lines_of(content: bytes) -> list[bytes]:
    """Return the complete lines; what has no newline was an append cut short."""
    return content.split(b"\n")[:-1]


def _take(records: dict[KeyId, KeyRecord], record: KeyRecord | None, parents: Parents, key: str) -> None:
    if record is None:
        return
    known = records.setdefault(record.key_id, record)
    if known == record:
        return
    if _opened(known, parents) != _opened(record, parents) and None not in (known.wrapped, record.wrapped):
        raise KeyringBrokenError(
            f"{key}: replicas have different keys under the identifier {record.key_id}",
            hint="find out which replica is right and delete this file on the others; it is filled again from that one",
            key=record.key_id,
        )
    # A rotation that was cut short leaves two wrappings of one key, and two attempts at it two under one parent.
    records[record.key_id] = max(known, record, key=lambda each: _precedence(each, parents))


def _opened(record: KeyRecord, parents: Parents) -> bytes | None:
    under = parents(record.parent)
    return None if under is None else record.secret(under.secret)


def _precedence(record: KeyRecord, parents: Parents) -> tuple[bool, int, bytes]:
    """Return what decides which of two proven records of one key counts, the same on every replica."""
    under = parents(record.parent)
    return record.forgotten is not None, 0 if under is None else under.generation, record.line()


def _lost(
    content: bytes, counting: Mapping[bytes, KeyRecord | None], records: Mapping[KeyId, KeyRecord]
) -> str:
    """Say which damaged record of one replica is nowhere else; empty when none is.

    A damaged place is explained by the records that this replica lacks and whose identifier or secret part is still
    seen there. Of what is left, a place with an identifier is a record that nobody has whole, whatever else
    is lacking; and each without one must stand for one of the records that this replica lacks.
    """
    lines = lines_of(content)
    whole = {record.key_id for record in map(counting.__getitem__, lines) if record is not None}
    lacking = {key_id: record for key_id, record in records.items() if key_id not in whole}
    unexplained: list[bytes] = []
    # A line with zeros is the hole of an append that was cut short.
    for is_damaged, group in groupby(lines, lambda line: counting[line] is None and b"\0" not in line):
        if is_damaged:
            place = b"\n".join(group)
            seen = [key_id for key_id, record in lacking.items() if record.is_seen_in(place)]
            for key_id in seen:
                del lacking[key_id]
            if not seen:
                unexplained.append(place)
    for place in unexplained:
        match = _ID.search(place)
        if match is not None:
            return f"the record of key {match[1].decode()} is damaged"
    return "" if len(unexplained) <= len(lacking) else "a record is damaged"
