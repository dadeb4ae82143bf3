"""Entries and seals changed by somebody who knows the format and reaches every volume: found, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retention.journal.envelope import NewEntry
from retention.journal.merkle import root_of
from retention.journal.seals import Seal, seal_key, timestamp_key
from retention.services import commit
from retention.services import seal as sealing
from retention.services.seal import seal_journal
from retention.services.stores import Stores
from retention.services.tree import FOLDER, keep_hashes
from retention.services.verifying import Verification, verify_journal
from tests.journal.tampering import changes, linked_anew, split_frames
from tests.journal.tsa import answer, make_authority
from tests.services.memory_world import MemoryWorld

LINES, FRAMES = "journal/000000000000.envelopes", "journal/000000000000.payloads"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tsa")
    make_authority(folder)
    return folder


@pytest.fixture
def stores(tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """An archive whose journal was sealed and timestamped twice."""
    from retention.journal.timestamp import request_for

    monkeypatch.setattr(sealing, "ask", lambda _, data: answer(authority, request_for(data)))
    with MemoryWorld.make(tmp_path / "archive").opened() as opened:
        object.__setattr__(opened.settings, "timestamp_url", "http://tsa")
        seal_journal(opened)
        note = NewEntry(
            opened.clock.now(), "retention", "test.note", objects={"package": "ab" * 16}, data={"n": 1}
        )
        commit.append(opened, [note, note, note])
        seal_journal(opened)
        keep_hashes(opened)
        yield opened


def files(stores: Stores, key: str) -> dict[str, bytes]:
    return {
        volume.name: held(stores, volume.name, key)
        for volume in stores.volumes
        if key in keys(stores, volume.name)
    }


def keys(stores: Stores, volume: str) -> list[str]:
    return [stat.key for stat in stores.volumes[volume].list("")]


def held(stores: Stores, volume: str, key: str) -> bytes:
    with stores.volumes[volume].open(key) as reader:
        return reader.read_at(0, reader.size_bytes)


def put_everywhere(stores: Stores, key: str, data: bytes) -> None:
    for name in files(stores, key):
        stores.volumes[name].replace(key, data)


def verified(stores: Stores) -> Verification:
    return verify_journal(stores, None)


def rewritten(stores: Stores, lines: list[bytes]) -> None:
    """Put other lines on every volume, with every link made right again."""
    frames = split_frames(next(iter(files(stores, FRAMES).values())))
    lines, frames = linked_anew(lines, frames)
    put_everywhere(stores, FRAMES, b"".join(frames))
    put_everywhere(stores, LINES, b"".join(line + b"\n" for line in lines))


def test_a_journal_nobody_touched_is_valid(stores: Stores):
    found = verified(stores)
    assert (found.problems, found.seals, found.timestamps, found.lapsed) == ([], 2, 2, 0)


def test_every_field_of_an_entry_written_anew_on_all_volumes_with_all_that_follows(stores: Stores):
    """Nothing but the seals' signed roots contradicts it; the hashes that were kept name the entry."""
    lines = next(iter(files(stores, LINES).values())).split(b"\n")[:-1]
    seq = next(entry.envelope.seq for entry in stores.journal.read() if entry.envelope.action == "test.note")
    chosen = [
        change
        for change in changes(lines, seq)
        if not change.name.startswith(("prev", "seq", "v ", "payload"))
    ]
    for change in chosen[::3]:
        rewritten(stores, list(change.lines))
        found = verified(stores)
        assert not found.valid, change.name
        assert found.first_bad == change.seq, change.name
    for path in (stores.root / FOLDER).iterdir():
        path.unlink()
    first = verified(stores).first_bad
    assert first is not None
    assert first <= seq  # without the hashes: behind the last seal that agrees


def damages(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Every line of a seal edited, removed, exchanged with the next, and the text cut there."""
    lines = text.split(b"\n")[:-1]
    for at, line in enumerate(lines):
        if line:
            edited = line[:-1] + (b"1" if line[-1:] != b"1" else b"2")
            yield f"{at} edited", b"\n".join([*lines[:at], edited, *lines[at + 1 :], b""])
        yield f"{at} removed", b"\n".join([*lines[:at], *lines[at + 1 :], b""])
        yield f"{at} cut", b"\n".join(lines[:at])
        if at + 1 < len(lines):
            yield f"{at} exchanged", b"\n".join([*lines[:at], lines[at + 1], line, *lines[at + 2 :], b""])


@pytest.mark.parametrize("which", [0, 1])
def test_every_line_of_a_seal_on_all_volumes(stores: Stores, which: int):
    seal = sealing.find_seals(stores).seals()[which]
    text = seal.note.encode().encode()
    for name, changed in damages(text):
        put_everywhere(stores, seal_key(seal.size), changed)
        found = verified(stores)
        assert seal_key(seal.size) in {problem.key for problem in found.problems}, name
    put_everywhere(stores, seal_key(seal.size), text)
    assert verified(stores).valid


@pytest.mark.parametrize(
    "change",
    [lambda _: b"", lambda data: data[: len(data) // 2], lambda data: data[::-1]],
    ids=["emptied", "cut", "reversed"],
)
def test_a_timestamp_changed_on_all_volumes(stores: Stores, change: Callable[[bytes], bytes]):
    key = timestamp_key(sealing.find_seals(stores).seals()[0].size)
    data = next(iter(files(stores, key).values()))
    put_everywhere(stores, key, change(data))
    assert {problem.key for problem in verified(stores).problems} == {key}


def test_timestamps_exchanged_or_removed_from_all_volumes(stores: Stores):
    first, second = (timestamp_key(seal.size) for seal in sealing.find_seals(stores).seals())
    one, other = (next(iter(files(stores, key).values())) for key in (first, second))
    put_everywhere(stores, first, other)
    put_everywhere(stores, second, one)
    assert {problem.key for problem in verified(stores).problems} == {first, second}
    put_everywhere(stores, second, other)
    for name in files(stores, first):
        stores.volumes[name].delete(first)
    assert {problem.key for problem in verified(stores).problems} == {first}


def test_a_seal_signed_anew_with_the_archives_own_key_is_found_by_the_next(stores: Stores):
    from retention.journal.seals import make_seal
    from retention.services.signing import archive_signer

    first, _ = sealing.find_seals(stores).seals()
    forged: Seal = make_seal(archive_signer(stores), first.size, root_of([bytes(32)]), first.sealed_at, [])
    put_everywhere(stores, seal_key(first.size), forged.note.encode().encode())
    assert seal_key(first.size) in {problem.key for problem in verified(stores).problems}
