"""Damage to the journal's replicas: all of it is found, what any replica has whole is mended, the rest is named."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention.journal.check import JournalRepair
from retention.journal.journal import Journal
from retention.model.errors import JournalBrokenError, VolumeUnavailableError
from retention.model.findings import FindingKind
from retention.model.replica import ReplicaSet
from tests.journal.entries import entry
from tests.model.replicas import MemoryReplica, replicas


def brief(number, payload=b"sealed"):
    return entry(number, payload, institution=None, objects={}, data={"number": number}, payload_key=None)


GROUPS = [[brief(0), brief(1, None)], [brief(2, b"")], [brief(3), brief(4)]]
KEYS = [f"journal/{first:012d}.{kind}" for first in (0, 2, 3) for kind in ("envelopes", "payloads")]


def written():
    """The files of a journal of five entries in three segments, and its root."""
    three = replicas(3)
    journal = Journal.create(three)
    journal.segment_payloads_bytes = 1
    for group in GROUPS:
        journal.append(group)
    journal.close()
    return three[0].files, journal.root(), journal.position


FILES, ROOT, POSITION = written()


def replicas_with(*damaged):
    """Three replicas of the journal, the first with these changes."""
    return [
        MemoryReplica(f"volume-{number}", {**FILES, **change})
        for number, change in enumerate((*damaged, {}, {}))
    ]


def known_journal(of):
    """A journal object from before anything happened to the replicas."""
    return Journal(ReplicaSet(of, minimum=2), POSITION, POSITION)


def found_and_healed(three, kind, replica, key, seq):
    """The damage is found as said, where said, then healed, and then nothing is found."""
    journal = Journal.open(three)
    assert journal.root() == ROOT
    report = journal.verify()
    assert (report.entries, report.root, report.is_whole) == (5, ROOT, True)
    assert [(problem.kind, problem.replica, problem.key, problem.seq) for problem in report.problems] == [
        (kind, replica, key, seq)
    ]
    assert report.first_bad_seq == seq
    assert journal.heal() == [JournalRepair(kind, replica, key)]
    assert journal.verify().problems == []
    assert all(one.files == FILES for one in three)
    journal.close()


def entry_at(key, offset):
    """The number of the entry whose line or frame is at an offset."""
    first = int(key[8:20])
    if key.endswith("envelopes"):
        return first + FILES[key].count(b"\n", 0, offset)
    sizes = itertools.accumulate(
        44 + len(one.payload or b"") for group in GROUPS for one in group if first <= one.data["number"]
    )
    return first + sum(size <= offset for size in sizes)


def test_a_sound_journal_has_no_problems():
    three = replicas_with({})
    journal = Journal.open(three)
    report = journal.verify()
    assert (report.entries, report.root, report.problems, report.first_bad_seq) == (5, ROOT, [], None)
    assert journal.heal() == []
    assert not any(method in ("replace", "truncate", "delete") for one in three for method, _ in one.calls)


@pytest.mark.parametrize("key", KEYS)
def test_any_changed_byte_in_any_file_is_found_and_healed(key):
    content = FILES[key]
    for offset in range(len(content)):
        changed = bytes([content[offset] ^ (offset % 255 + 1)])
        damaged = content[:offset] + changed + content[offset + 1 :]
        found_and_healed(
            replicas_with({key: damaged}), FindingKind.CORRUPT, "volume-0", key, entry_at(key, offset)
        )


@pytest.mark.parametrize("key", KEYS)
def test_any_cut_of_any_file_is_found_and_healed(key):
    content = FILES[key]
    for size in range(len(content)):
        three = replicas_with({key: content[:size]})
        found_and_healed(three, FindingKind.MISSING, "volume-0", key, entry_at(key, size))


@pytest.mark.parametrize("key", KEYS)
def test_an_absent_file_is_found_and_healed(key):
    three = replicas_with({})
    del three[0].files[key]
    found_and_healed(three, FindingKind.MISSING, "volume-0", key, int(key[8:20]))


@pytest.mark.parametrize("tail", [b"{", b"\0" * 50 + b"\n{}\n", b'{"action":"ingest"'])
def test_a_torn_end_is_found_and_cut_off(tail):
    key = "journal/000000000003.envelopes"
    found_and_healed(replicas_with({key: FILES[key] + tail}), FindingKind.EXTRA, "volume-0", key, None)


def test_frames_without_lines_are_found_and_cut_off():
    key = "journal/000000000003.payloads"
    three = replicas_with({key: FILES[key] + b"a frame"})
    found_and_healed(three, FindingKind.EXTRA, "volume-0", key, None)


@given(st.data())
@settings(max_examples=60)
def test_damage_in_different_entries_of_all_replicas_is_healed_from_one_another(data):
    """Each entry's line stays whole on one replica, and its frame on one (perhaps another)."""
    three = replicas_with({})
    for key in KEYS:
        size = len(FILES[key])
        for offset in data.draw(st.sets(st.integers(0, size - 1), max_size=4)):
            # Spare a replica of the entry's own: what is damaged on the others is there whole.
            spared = entry_at(key, offset) % 3
            for number in {0, 1, 2} - {spared}:
                content = bytearray(three[number].files[key])
                content[offset] ^= data.draw(st.integers(1, 255))
                three[number].files[key] = bytes(content)
    journal = Journal.open(three)
    assert journal.root() == ROOT
    assert [one.envelope.data["number"] for one in journal.read()] == [0, 1, 2, 3, 4]
    journal.heal()
    assert all(one.files == FILES for one in three)
    journal.close()


def test_lines_of_one_replica_and_frames_of_another_make_a_whole():
    lines = {key: content for key, content in FILES.items() if key.endswith("envelopes")}
    frames = {key: content for key, content in FILES.items() if key.endswith("payloads")}
    two = [MemoryReplica("volume-0", lines), MemoryReplica("volume-1", frames)]
    journal = Journal.open(two)
    assert (journal.size, journal.root()) == (5, ROOT)
    journal.heal()
    assert [one.files for one in two] == [FILES, FILES]


def test_an_emptied_replica_is_filled_again():
    three = [MemoryReplica("volume-0"), *replicas_with({})[1:]]
    journal = Journal.open(three)
    assert {problem.kind for problem in journal.verify().problems} == {FindingKind.MISSING}
    journal.heal()
    assert three[0].files == FILES


@pytest.mark.parametrize("key", KEYS)
def test_damage_on_every_replica_is_named_and_nothing_is_guessed(key):
    offset = len(FILES[key]) // 2
    damaged = FILES[key][:offset] + bytes([FILES[key][offset] ^ 1]) + FILES[key][offset + 1 :]
    three = [MemoryReplica(f"volume-{number}", {**FILES, key: damaged}) for number in range(3)]
    bad = entry_at(key, offset)
    journal = known_journal(three)
    report = journal.verify()
    assert (report.entries, report.is_whole, report.first_bad_seq) == (bad, False, bad)
    with pytest.raises(JournalBrokenError) as caught:
        journal.heal()
    assert caught.value.context["seq"] == bad
    assert all(one.files[key] == damaged for one in three)


def test_a_rewritten_journal_is_not_the_known_one():
    forged = replicas(3)
    Journal.create(forged).append([brief(number + 100) for number in range(5)])
    report = known_journal(forged).verify()
    assert not report.is_whole
    assert "rewritten" in report.problems[-1].detail


def test_entries_missing_on_all_replicas_are_named_where_the_end_is_known():
    three = [
        MemoryReplica(
            f"volume-{number}", {key: content for key, content in FILES.items() if "003" not in key}
        )
        for number in range(3)
    ]
    assert Journal.open(three).size == 3
    report = known_journal(three).verify()
    assert (report.entries, report.first_bad_seq, report.is_whole) == (3, 3, False)
    assert "entries 3 to 4" in report.problems[-1].detail


def test_no_journal_at_all_is_a_problem_too():
    three = replicas(3)
    journal = Journal.create(three)
    assert not journal.verify().is_whole


def test_what_somebody_appends_meanwhile_is_no_problem():
    three = replicas_with({})
    journal = Journal.open(three)
    other = Journal.open(three)
    other.append([brief(5)])
    three[1].files = dict(FILES)
    report = journal.verify()
    assert (report.entries, report.problems) == (6, [])
    other.close()


def test_a_segment_that_begins_where_none_does_is_found_and_removed():
    stray = "journal/000000000004.envelopes"
    found_and_healed(replicas_with({stray: b"{}\n"}), FindingKind.EXTRA, "volume-0", stray, None)


def test_an_unreachable_replica_is_said_and_left_for_later():
    three = replicas_with({})
    journal = Journal.open(three)
    three[2].away = True
    report = journal.verify()
    assert [(problem.kind, problem.replica) for problem in report.problems] == [
        (FindingKind.UNREADABLE, "volume-2")
    ]
    assert report.is_whole
    assert journal.heal() == []


def test_a_replica_that_cannot_be_written_is_left_for_the_next_time():
    three = replicas_with({KEYS[0]: b"", KEYS[4]: b""})
    three[0].faults["replace"] = [VolumeUnavailableError("read-only")]
    journal = Journal.open(three)
    assert [repair.key for repair in journal.heal()] == [KEYS[4]]
    assert [repair.key for repair in journal.heal()] == [KEYS[0]]
    assert three[0].files == FILES


def test_verifying_a_journal_that_nobody_can_read_is_an_error():
    three = replicas_with({})
    journal = Journal.open(three)
    for one in three:
        one.away = True
    with pytest.raises(VolumeUnavailableError):
        journal.verify()
