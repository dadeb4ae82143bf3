"""Every field of every entry, changed in every way: found, and the first bad entry is named."""

from __future__ import annotations

import pytest

from retention.journal.envelope import FRAME_HEAD, SALT_BYTES
from retention.journal.journal import Journal
from retention.model.replica import ReplicaSet
from tests.journal.entries import entry
from tests.journal.tampering import changes, split_frames
from tests.model.replicas import MemoryReplica, replicas

LINES, FRAMES = "journal/000000000000.envelopes", "journal/000000000000.payloads"


def written():
    three = replicas(3)
    journal = Journal.create(three)
    journal.append(
        [entry(0), entry(1, None, institution=None), entry(2, b""), entry(3, b"more", payload_key=None)]
    )
    journal.close()
    return three[0].files, journal.position


FILES, POSITION = written()
WRITTEN = FILES[LINES].split(b"\n")[:-1]
PLACES = {"number": 0, "length": 8, "salt": 12, "payload": 12 + SALT_BYTES, "end": -1}


def verified(*changed):
    """What is found when the first of three replicas, or all of them, have these files."""
    files = [*changed, *[FILES] * (3 - len(changed))]
    of = [MemoryReplica(f"volume-{number}", dict(one)) for number, one in enumerate(files)]
    return Journal(ReplicaSet(of, minimum=2), POSITION, POSITION).verify()


def found_everywhere(files, seq):
    alone = verified(files)
    assert (alone.is_whole, alone.first_bad_seq) == (True, seq)
    assert {problem.replica for problem in alone.problems} == {"volume-0"}
    everywhere = verified(files, files, files)
    assert (everywhere.is_whole, everywhere.first_bad_seq) == (False, seq)


@pytest.mark.parametrize("seq", range(4))
def test_every_field_of_a_line(seq):
    names = []
    for change in changes(WRITTEN, seq):
        found_everywhere({**FILES, LINES: b"".join(line + b"\n" for line in change.lines)}, change.seq)
        names.append(change.name)
    assert len(names) > 30
    assert {"actor edited", "at removed", "data.number exchanged", "objects.package truncated"} <= {*names}


@pytest.mark.parametrize("part", PLACES)
@pytest.mark.parametrize("seq", [0, 1, 3])
def test_every_field_of_a_frame(seq, part):
    frames = split_frames(FILES[FRAMES])
    frame = bytearray(frames[seq])
    if part == "payload" and not FRAME_HEAD.unpack_from(frame)[1]:
        return  # it has none
    frame[PLACES[part]] ^= 1
    frames[seq] = bytes(frame)
    found_everywhere({**FILES, FRAMES: b"".join(frames)}, seq)


@pytest.mark.parametrize("seq", range(3))
def test_entries_that_are_exchanged_removed_or_doubled(seq):
    lines, frames = [*WRITTEN], split_frames(FILES[FRAMES])
    for change in (
        lambda of: [*of[:seq], of[seq + 1], of[seq], *of[seq + 2 :]],
        lambda of: [*of[:seq], *of[seq + 1 :]],
        lambda of: [*of[:seq], of[seq], of[seq], *of[seq + 1 :]],
    ):
        files = {LINES: b"".join(line + b"\n" for line in change(lines)), FRAMES: b"".join(change(frames))}
        report = verified(files, files, files)
        assert not report.is_whole
        assert report.first_bad_seq in (seq, seq + 1)  # of a doubled one, the second is bad
