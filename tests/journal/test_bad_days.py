"""The journal when volumes fail, when others append, and when a writer dies at any moment."""

import itertools

import pytest

from retention.journal.journal import Journal
from retention.model.errors import LockedError, VolumeFullError, VolumeUnavailableError
from retention.model.replica import ReplicaSet
from tests.journal.entries import entry
from tests.model.replicas import replicas


@pytest.fixture
def three():
    return replicas(3)


@pytest.fixture
def journal(three):
    journal = Journal.create(three)
    yield journal
    journal.close()


def small_segments(journal):
    """Let every segment be full after its first group."""
    journal.segment_payloads_bytes = 1
    return journal


def numbers(journal, from_seq=0):
    return [one.envelope.data["number"] for one in journal.read(from_seq)]


def files_of(three):
    return [replica.files for replica in three]


# Appending when replicas fail.


def test_a_replica_that_is_away_misses_entries_and_is_brought_in_step_when_it_is_back(three, journal):
    journal.append([entry(0)])
    three[1].away = True
    journal.append([entry(1)])
    journal.append([entry(2)])
    three[1].away = False
    journal.append([entry(3)])
    assert numbers(journal) == [0, 1, 2, 3]
    assert three[0].files == three[1].files == three[2].files


def test_a_replica_that_missed_whole_segments_takes_part_again_at_once(three, journal):
    small_segments(journal)
    journal.append([entry(0)])
    three[1].away = True
    journal.append([entry(1)])
    journal.append([entry(2)])
    three[1].away = False
    journal.append([entry(3)])
    assert "journal/000000000003.envelopes" in three[1].files
    assert "journal/000000000001.envelopes" not in three[1].files
    journal.heal()
    assert three[0].files == three[1].files


def test_fewer_than_the_minimum_is_refused_and_nothing_counts(three, journal):
    journal.append([entry(0)])
    before = [dict(files) for files in files_of(three)]
    three[0].away = three[1].away = True
    with pytest.raises(VolumeUnavailableError, match="1 of 3 replicas"):
        journal.append([entry(1)])
    assert journal.size == 1
    three[0].away = three[1].away = False
    assert files_of(three) == before
    assert numbers(Journal.open(three)) == [0]
    journal.append([entry(1)])
    assert numbers(journal) == [0, 1]
    assert three[0].files == three[1].files == three[2].files


def test_a_full_disk_refuses_changes_and_reading_goes_on(three, journal):
    journal.append([entry(0)])
    for replica in three:
        replica.faults["append"] = [VolumeFullError("full")]
    with pytest.raises(VolumeFullError):
        journal.append([entry(1)])
    assert numbers(journal) == [0]
    journal.append([entry(1)])
    assert numbers(journal) == [0, 1]


@pytest.mark.parametrize("failing_call", [1, 2])
@pytest.mark.parametrize("kept", [0, 1, 30, 10_000])
def test_an_append_that_tears_on_too_many_replicas_leaves_nothing(three, journal, failing_call, kept):
    journal.append([entry(0)])
    before = [dict(files) for files in files_of(three)]
    for replica in three[:2]:
        appends = itertools.count(1)
        whole_append = replica.append

        def append(key, data, expected_size, *, appends=appends, whole_append=whole_append):
            if next(appends) != failing_call:
                return whole_append(key, data, expected_size)
            whole_append(key, data[:kept], expected_size)
            raise VolumeUnavailableError("gone in the middle")

        replica.append = append
    with pytest.raises(VolumeUnavailableError):
        journal.append([entry(1), entry(2)])
    assert files_of(three) == before
    journal.append([entry(1), entry(2)])
    assert numbers(journal) == [0, 1, 2]


def test_taking_back_is_made_up_for_before_the_next_append(three, journal):
    journal.append([entry(0)])
    three[0].faults["read"] = [VolumeUnavailableError("gone after writing")]
    three[1].away = three[2].away = True
    with pytest.raises(VolumeUnavailableError):
        journal.append([entry(1, data={"number": 666})])
    three[1].away = three[2].away = False
    journal.append([entry(1)])
    assert numbers(journal) == [0, 1]
    assert three[0].files == three[1].files == three[2].files


# Others append, processes die.


def test_appending_after_somebody_else_is_noticed_and_refreshing_helps(three, journal):
    journal.append([entry(0)])
    other = Journal.open(three)
    other.append([entry(1)])
    with pytest.raises(LockedError):
        journal.append([entry(2)])
    assert journal.refresh() == 1
    journal.append([entry(2)])
    assert other.refresh() == 1
    assert numbers(journal) == numbers(other) == [0, 1, 2]
    assert other.root() == journal.root()
    other.close()


def test_refreshing_reads_nothing_when_nothing_is_new_and_knows_who_is_in_step(three, journal):
    journal.append([entry(0)])
    three[0].calls.clear()
    assert journal.refresh() == 0
    journal.append([entry(1)])
    assert [method for method, _ in three[0].calls] == ["size", "size", "size", "append", "append"]


def test_refreshing_with_too_few_replicas_does_not_make_an_append_possible(three, journal):
    journal.append([entry(0)])
    three[0].away = three[1].away = True
    assert journal.refresh() == 0
    with pytest.raises(VolumeUnavailableError, match="1 of 3 replicas"):
        journal.append([entry(1)])
    three[2].away = True
    with pytest.raises(VolumeUnavailableError):
        journal.refresh()


def test_refreshing_a_new_journal_finds_its_first_entries(three, journal):
    assert journal.refresh() == 0
    other = Journal.create(three)
    other.append([entry(0)])
    assert journal.refresh() == 1
    assert numbers(journal) == [0]
    other.close()


def test_a_first_append_cut_short_leaves_an_empty_journal(three, journal):
    three[0].files["journal/000000000000.payloads"] = b"half a frame"
    again = Journal.open(three)
    assert again.size == 0
    again.append([entry(0)])
    assert again.verify().problems == []
    again.close()


def test_refreshing_follows_others_into_new_segments(three, journal):
    journal.append([entry(0)])
    other = small_segments(Journal.open(three))
    for number in (1, 2, 3):
        other.append([entry(number)])
    assert journal.refresh() == 3
    assert (journal.position, journal.root()) == (other.position, other.root())
    assert journal.refresh() == 0
    other.close()


def test_a_stale_journal_that_begins_a_segment_is_refused_too(three, journal):
    small_segments(journal).append([entry(0)])
    other = small_segments(Journal.open(three))
    other.append([entry(1)])
    with pytest.raises(LockedError):
        journal.append([entry(2)])
    assert numbers(Journal.open(three)) == [0, 1]
    other.close()


def test_a_stale_journal_does_not_go_on_in_a_segment_that_others_ended(three, journal):
    journal.append([entry(0)])
    other = small_segments(Journal.open(three))
    other.append([entry(1)])
    stale = Journal(ReplicaSet(three, minimum=2), journal.position, journal.position)
    with pytest.raises(LockedError):
        stale.append([entry(2)])
    stale.refresh()
    assert numbers(stale) == [0, 1]
    other.close()


def test_a_segment_begun_by_a_writer_that_died_is_begun_anew(three, journal):
    journal.append([entry(0)])
    three[0].files["journal/000000000001.payloads"] = b"half a frame"
    three[0].files["journal/000000000001.envelopes"] = b"half a line"
    journal.refresh()
    journal.append([entry(1)])
    assert numbers(Journal.open(three)) == [0, 1]
    assert journal.verify().problems == []
    assert three[0].files == three[1].files == three[2].files


def crashes(three, group):
    """All states that the replicas can be left in when the writer dies while it appends `group` to a journal."""
    before = [dict(files) for files in files_of(three)]
    journal = Journal.open(three)
    journal.append(group)
    journal.close()
    after = [dict(files) for files in files_of(three)]
    frames = len(after[0]["journal/000000000000.payloads"]) - len(before[0]["journal/000000000000.payloads"])
    lines = len(after[0]["journal/000000000000.envelopes"]) - len(before[0]["journal/000000000000.envelopes"])
    steps = [
        *range(0, frames + lines, 131),
        frames - 1,
        frames,
        frames + 1,
        frames + lines - 1,
        frames + lines,
    ]
    for one, other in itertools.product(steps, repeat=2):
        for files, cut in zip(files_of(three), (one, other, 0), strict=True):
            files.clear()
            files.update(after[0])
            for key, size, written in (("payloads", frames, cut), ("envelopes", lines, cut - frames)):
                name = f"journal/000000000000.{key}"
                files[name] = files[name][: len(files[name]) - size + max(0, min(size, written))]
        yield before, after


def test_whatever_a_dead_writer_left_an_unconfirmed_entry_is_wholly_there_or_wholly_absent(three, journal):
    journal.append([entry(0)])
    hint = journal.position
    for _ in crashes(three, [entry(1), entry(2, None)]):
        sizes = set()
        for known in (None, hint):
            again = Journal.open(three, hint=known)
            assert numbers(again) == list(range(again.size))
            sizes.add(again.size)
            again.close()
        assert len(sizes) == 1
        assert sizes <= {1, 2, 3}
        again = Journal.open(three, hint=hint)
        again.settle()
        assert three[0].files == three[1].files == three[2].files
        again.append([entry(again.size)])
        assert again.verify().problems == []
        again.close()


def test_a_hole_of_zeros_in_the_last_append_is_cut_off(three, journal):
    journal.append([entry(0)])
    for replica in three:
        replica.files["journal/000000000000.envelopes"] += bytes(100) + b'"v":1}\n'
    again = Journal.open(three)
    assert again.size == 1
    again.append([entry(1)])
    assert numbers(again) == [0, 1]
    again.close()


def test_settling_makes_durable_what_only_one_replica_has(three, journal):
    journal.append([entry(0)])
    hint = journal.position
    behind = [dict(files) for files in files_of(three)]
    journal.append([entry(1)])
    three[1].files, three[2].files = behind[1], behind[2]
    again = Journal.open(three, hint=hint)
    assert again.size == 2
    again.settle()
    assert three[0].files == three[1].files == three[2].files
    three[1].away = three[2].away = True
    with pytest.raises(VolumeUnavailableError, match="in step"):
        again.settle()
    again.close()
