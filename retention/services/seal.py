"""Sealing the journal: a signed checkpoint on every volume, and an authority's timestamp over it.

The invariant: a seal is on volumes and in the journal before it is said to be made. An authority that does not answer
stops nothing: the seal is there, says so, and is timestamped by a later run.
"""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from retention.journal.envelope import NewEntry
from retention.journal.renewal import Stamp, unnamed
from retention.journal.seals import PREFIX, Seal, make_seal, seal_key, size_of_key, timestamp_key
from retention.model.canonical import JsonValue
from retention.model.errors import StorageError, VolumeUnavailableError
from retention.services import commit
from retention.services.entries.sealing import SEAL, TIMESTAMP, TIMESTAMP_FAILED
from retention.services.signing import archive_signer
from retention.services.stores import Stores
from retention.services.tree import keep_hashes
from retention.storage.volume import Volume

MINIMUM = 2
STAMPED_AT_ONCE = 20
NAMED_AT_ONCE = 200
ANSWER_BYTES = 1 << 16
TIMEOUT_S = 15.0
SEAL_BYTES = 1 << 17


Stop = Callable[[], bool]


def _never() -> bool:
    """Nobody stops what a person waits for."""
    return False


@dataclass
class SealFiles:
    """What volumes have of one seal: its text and its timestamp, by volume."""

    size: int
    notes: dict[str, bytes] = field(default_factory=dict)
    timestamps: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def seal(self) -> Seal | None:
        """The first that is a seal over that size."""
        for text in self.notes.values():
            seal = parsed(text)
            if seal is not None and seal.size == self.size:
                return seal
        return None

    @cached_property
    def answer(self) -> tuple[bytes, Stamp] | None:
        """The first timestamp that is over the seal, and what it says."""
        if self.seal is None or not self.timestamps:
            return None
        from retention.journal.timestamp import read_answer

        for answer in self.timestamps.values():
            with suppress(ValueError):
                said = read_answer(answer, self.seal.stamped)
                return answer, Stamp(hashlib.sha256(answer).digest(), said.at, said.until)
        return None


@dataclass(slots=True)
class FoundSeals:
    """All seals that volumes have, by size, and the volumes that answered; why `unreadable` ones did not."""

    by_size: dict[int, SealFiles] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def seals(self) -> list[Seal]:
        """Return what is a seal, by size."""
        found = (self.by_size[size].seal for size in sorted(self.by_size))
        return [seal for seal in found if seal is not None]

    def stamps(self) -> dict[int, Stamp]:
        """Return the timestamps that are over their seals, by size."""
        answers = ((size, files.answer) for size, files in self.by_size.items())
        return {size: answer[1] for size, answer in answers if answer is not None}


@dataclass(frozen=True, slots=True)
class MadeSeal:
    """A new seal. `timestamped` counts the seals that got a timestamp in this run; `why_not` what kept it from more."""

    seal: Seal
    volumes: tuple[str, ...]
    timestamped: int
    why_not: str | None


def parsed(text: bytes) -> Seal | None:
    """Return the seal that bytes are, None for what is none."""
    try:
        return Seal.parse(text.decode())
    except ValueError:
        return None


def find_seals(stores: Stores) -> FoundSeals:
    """Read every seal from every volume that answers."""
    found = FoundSeals()
    for volume in stores.volumes:
        try:
            keys = [stat.key for stat in volume.list(PREFIX)]
            contents = {key: _read(volume, key) for key in keys}
        except StorageError as error:
            found.unreadable[volume.name] = error.message
            continue
        found.volumes.append(volume.name)
        for key, content in contents.items():
            size = size_of_key(key)
            if size is not None:
                files = found.by_size.setdefault(size, SealFiles(size))
                files.notes[volume.name] = content
                if (stamp := contents.get(timestamp_key(size))) is not None:
                    files.timestamps[volume.name] = stamp
    return found


def seal_journal(stores: Stores) -> MadeSeal:
    """Seal the journal as it is now, copy all seals to every volume, and have those timestamped that are not yet.

    Raises KeyUnavailableError (signing key), VolumeUnavailableError when fewer than two volumes took the seal, and as
    `commit.append`.
    """
    signer = archive_signer(stores)
    with stores.commit_lock.hold():
        commit.bring_up_to_date(stores)
        found = find_seals(stores)
        journal, at = stores.journal, stores.clock.now()
        seals = found.seals()
        stamps = dict(sorted(unnamed(seals, found.stamps()).items())[:NAMED_AT_ONCE])
        seal = make_seal(signer, journal.size, journal.root(), at, seals, stamps)
        found.by_size[seal.size] = SealFiles(seal.size, {"": seal.note.encode().encode()})
        taken = _spread(stores, found)
        if len(taken) < MINIMUM:
            raise VolumeUnavailableError(
                f"{len(taken)} volumes took the seal, {MINIMUM} are needed",
                hint="bring volumes back: retention volume check",
            )
        data: dict[str, JsonValue] = {
            "size": seal.size,
            "root": seal.checkpoint.root.hex(),
            "digest": seal.digest.hex(),
            "volumes": list(taken),
        }
        commit.append_locked(stores, [NewEntry(at, stores.actor, SEAL, data=data)])
    keep_hashes(stores)
    timestamped, why_not = timestamp_waiting(stores)
    return MadeSeal(seal, tuple(taken), timestamped, why_not)


def add_signatures(stores: Stores, text: str) -> Seal:
    """Add the signatures of witnesses to a seal that volumes have. Raises ValueError when it is not one of ours."""
    offered = Seal.parse(text)
    with stores.commit_lock.hold():
        found = find_seals(stores)
        files = found.by_size.get(offered.size)
        seal = None if files is None else files.seal
        if files is None or seal is None or seal.note.text != offered.note.text:
            raise ValueError("no seal of this archive has that text")
        merged = dict.fromkeys([*seal.note.signatures, *offered.note.signatures])
        note = type(seal.note)(seal.note.text, tuple(merged))
        for volume in found.volumes:
            stores.volumes[volume].replace(seal_key(seal.size), note.encode().encode())
    return Seal.parse(note.encode())


def _spread(stores: Stores, found: FoundSeals) -> list[str]:
    """Put every seal and timestamp on every volume that lacks it; return the volumes that have all of them now."""
    taken = []
    for name in found.volumes:
        try:
            for size, files in found.by_size.items():
                seal = files.seal
                if seal is not None and name not in files.notes:
                    stores.volumes[name].replace(seal_key(size), seal.note.encode().encode())
                if name not in files.timestamps and files.answer is not None:
                    stores.volumes[name].replace(timestamp_key(size), files.answer[0])
        except StorageError:
            continue
        taken.append(name)
    return taken


def timestamp_waiting(stores: Stores, *, stop: Stop = _never) -> tuple[int, str | None]:
    """Have the newest seals without a timestamp stamped; return how many were, and why not more.

    Raises as `commit.append`.
    """
    url = stores.settings.timestamp_url
    if url is None:
        return 0, "no timestamp authority is named in archive.yaml (journal: timestamp: url)"
    done = 0
    for seal in _unstamped(stores):
        if stop():
            return done, "it was told to stop"
        try:
            answer = ask(url, seal.stamped)
        except (OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            _note(stores, TIMESTAMP_FAILED, {"size": seal.size})
            return done, why
        with stores.commit_lock.hold():
            for volume in stores.volumes:
                try:
                    volume.replace(timestamp_key(seal.size), answer)
                except StorageError:
                    continue  # the next seal brings it there
        _note(stores, TIMESTAMP, {"size": seal.size, "digest": hashlib.sha256(answer).hexdigest()})
        done += 1
    return done, None


def _unstamped(stores: Stores) -> Iterator[Seal]:
    waiting = [files for files in find_seals(stores).by_size.values() if files.answer is None]
    for files in sorted(waiting, key=lambda files: files.size)[-STAMPED_AT_ONCE:]:
        if files.seal is not None:
            yield files.seal


def ask(url: str, data: bytes) -> bytes:
    """Return an authority's answer over `data` (RFC 3161 §3.4). Raises OSError when there is none, ValueError when it
    is not one over this."""
    from retention.journal.timestamp import read_answer, request_for

    answer = send_query(url, request_for(data))
    read_answer(answer, data)
    return answer


def send_query(url: str, query: bytes) -> bytes:
    """Return what an authority answers to a query, whatever it is. Raises OSError; ValueError: that is no address."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no address of a timestamp authority")
    headers = {"Content-Type": "application/timestamp-query"}
    request = urllib.request.Request(url, query, headers)  # noqa: S310  # http and https only, above
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310  # as above
        answer: bytes = response.read(ANSWER_BYTES)
    return answer


def _note(stores: Stores, action: str, data: dict[str, JsonValue]) -> None:
    commit.append(stores, [NewEntry(stores.clock.now(), stores.actor, action, data=data)])


def _read(volume: Volume, key: str) -> bytes:
    with volume.open(key) as reader:
        return reader.read_at(0, min(reader.size_bytes, SEAL_BYTES))
