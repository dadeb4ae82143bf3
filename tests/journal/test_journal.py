"""The journal: entries are numbered, linked, durable on enough replicas or not there at all, and read back proven."""

import itertools

import pytest
from hypothesis import given

from retention.journal.journal import Journal
from retention.journal.merkle import EMPTY_ROOT, leaf_hash, root_of
from retention.journal.position import Position
from retention.model.errors import (
    JournalBrokenError,
    VolumeUnavailableError,
    WriteOnceError,
)
from tests.journal.entries import entry, groups
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


@given(groups())
def test_what_was_appended_is_read_back(all_groups):
    three = replicas(3)
    journal = small_segments(Journal.create(three))
    envelopes = [envelope for group in all_groups for envelope in journal.append(group)]
    entries = list(journal.read())
    appended = list(itertools.chain(*all_groups))
    assert [one.envelope for one in entries] == envelopes
    assert [one.payload for one in entries] == [one.payload for one in appended]
    assert [one.envelope.seq for one in entries] == list(range(len(appended)))
    assert journal.root() == root_of([leaf_hash(one.line) for one in entries])
    assert three[0].files == three[1].files == three[2].files
    journal.close()


@given(groups())
def test_a_journal_opens_as_it_was_left_with_and_without_a_hint(all_groups):
    three = replicas(3)
    journal = small_segments(Journal.create(three))
    hints = [None, *(journal.append(group) and journal.position for group in all_groups)]
    for hint in hints:
        again = Journal.open(three, hint=hint and Position.from_bytes(hint.to_bytes()))
        assert again.position == journal.position
        assert (again.size, again.root()) == (journal.size, journal.root())
        from_seq = hint.size if hint else 0
        assert numbers(again, from_seq) == list(range(from_seq, journal.size))
        again.close()
    journal.close()


def test_a_new_journal_is_empty(journal):
    assert (journal.size, journal.root()) == (0, EMPTY_ROOT)
    assert list(journal.read()) == []
    assert journal.append([]) == []


def test_a_journal_is_not_begun_where_there_is_one(three, journal):
    journal.append([entry()])
    with pytest.raises(WriteOnceError):
        Journal.create(three)


def test_a_journal_that_is_nowhere_is_not_opened_as_an_empty_one(three):
    with pytest.raises(JournalBrokenError, match="entries 0 to 0 are missing"):
        Journal.open(three)


def test_segments_are_named_after_their_first_entry(three, journal):
    small_segments(journal)
    journal.append([entry(0), entry(1)])
    journal.append([entry(2)])
    assert sorted(three[0].files) == [
        "journal/000000000000.envelopes",
        "journal/000000000000.payloads",
        "journal/000000000002.envelopes",
        "journal/000000000002.payloads",
    ]


def test_envelopes_fill_a_segment_as_payloads_do(three, journal):
    journal.segment_envelopes_bytes = 1
    journal.append([entry(0, None)])
    journal.append([entry(1, None)])
    assert len(three[0].files) == 4


def test_reading_begins_where_it_is_asked_to(journal):
    small_segments(journal)
    for first in (0, 3, 6):
        journal.append([entry(first), entry(first + 1), entry(first + 2)])
    for from_seq in range(10):
        assert numbers(journal, from_seq) == list(range(from_seq, 9))


def test_a_group_is_two_durable_appends_on_each_replica(three, journal):
    journal.append([entry(0)])
    three[0].calls.clear()
    journal.append([entry(1), entry(2)])
    assert three[0].calls == [
        ("append", "journal/000000000000.payloads"),
        ("append", "journal/000000000000.envelopes"),
    ]


def test_opening_with_a_hint_does_not_read_what_is_known(three, journal):
    journal.append([entry(number) for number in range(100)])
    hint = journal.position
    journal.append([entry(100)])
    read_bytes = []
    whole_read = three[0].read

    def read(key, offset=0, length=None):
        data = whole_read(key, offset, length)
        read_bytes.append(len(data))
        return data

    three[0].read = read
    again = Journal.open(three, hint=hint)
    assert again.size == 101
    assert sum(read_bytes) < 1000
    again.close()


def test_reading_needs_only_one_replica(three, journal):
    journal.append([entry(0), entry(1)])
    three[0].away = three[1].away = True
    assert numbers(Journal.open(three)) == [0, 1]
    three[2].away = True
    with pytest.raises(VolumeUnavailableError):
        Journal.open(three)
    with pytest.raises(VolumeUnavailableError):
        list(journal.read())


# What is refused.


def test_a_journal_that_ends_before_the_hint_is_refused(three, journal):
    journal.append([entry(0)])
    before = [dict(files) for files in files_of(three)]
    journal.append([entry(1), entry(2)])
    for replica, files in zip(three, before, strict=True):
        replica.files = files
    with pytest.raises(JournalBrokenError, match="entries 1 to 2 are missing"):
        Journal.open(three, hint=journal.position)
    with pytest.raises(JournalBrokenError):
        journal.refresh()


def test_a_journal_that_was_rewritten_is_not_the_one_of_the_hint(three, journal):
    journal.append([entry(0), entry(1)])
    others = replicas(3)
    forged = Journal.create(others)
    forged.append([entry(0), entry(7)])
    for replica, other in zip(three, others, strict=True):
        replica.files = other.files
    with pytest.raises(JournalBrokenError, match="rewritten"):
        Journal.open(three, hint=journal.position)
    forged.close()


def test_a_hint_whose_last_entry_is_damaged_on_all_but_one_replica_still_holds(three, journal):
    journal.append([entry(0), entry(1)])
    for replica in three[:2]:
        content = replica.files["journal/000000000000.payloads"]
        replica.files["journal/000000000000.payloads"] = content[:-1] + b"?"
    again = Journal.open(three, hint=journal.position)
    assert again.size == 2
    again.close()


def test_two_replicas_with_different_entries_contradict_each_other(three, journal):
    journal.append([entry(0)])
    hint = journal.position
    apart = [dict(three[0].files)]
    journal.append([entry(1)])
    three[0].files, three[1].away, three[2].away = apart[0], True, True
    alone = Journal.open(three, minimum=1)
    alone.append([entry(1, data={"number": 666})])
    three[1].away = three[2].away = False
    for known in (None, hint):
        with pytest.raises(
            JournalBrokenError, match="entry 1 of volume-0 is another than that of volume-1, volume-2"
        ):
            Journal.open(three, hint=known)
    report = journal.verify()
    assert (report.is_whole, report.first_bad_seq) == (False, 1)
    alone.close()


def test_an_entry_that_is_damaged_everywhere_is_named(three, journal):
    journal.append([entry(0), entry(1), entry(2)])
    for replica in three:
        content = replica.files["journal/000000000000.envelopes"]
        replica.files["journal/000000000000.envelopes"] = content.replace(b'"number":1', b'"number":9')
    with pytest.raises(JournalBrokenError, match="entry 1 is damaged on every replica") as caught:
        Journal.open(three)
    assert caught.value.context["seq"] == 1
    read = journal.read()
    assert next(read).envelope.seq == 0
    with pytest.raises(JournalBrokenError, match="entries 1 to 2"):
        next(read)


def test_the_last_entry_damaged_where_only_one_replica_has_it_is_not_dropped_silently(three, journal):
    journal.append([entry(0)])
    hint = journal.position
    three[1].away = True
    journal.append([entry(1)])
    three[1].away = False
    three[2].files = dict(three[1].files)
    content = three[0].files["journal/000000000000.envelopes"]
    three[0].files["journal/000000000000.envelopes"] = content.replace(b'"number":1', b'"number":9')
    for known in (None, hint):
        with pytest.raises(
            JournalBrokenError, match=r"entry 1 is damaged on every replica that has it \(volume-0\)"
        ):
            Journal.open(three, hint=known)


def test_a_segment_that_is_missing_everywhere_is_named(three, journal):
    small_segments(journal)
    for number in range(3):
        journal.append([entry(number)])
    for replica in three:
        del replica.files["journal/000000000001.envelopes"]
    with pytest.raises(JournalBrokenError, match="entries 1 to 1 are missing"):
        Journal.open(three)


@pytest.mark.parametrize("data", [b"", b"RJP1", b"XXXX" + bytes(100), b"RJP1" + bytes(64) + bytes(40)])
def test_bytes_that_are_no_position_are_refused(data):
    with pytest.raises(ValueError, match="not a"):
        Position.from_bytes(data)
