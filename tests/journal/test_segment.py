"""What counts of a segment's two files, and putting it together from several replicas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.journal.envelope import FIRST_LINK, write_entries
from retention.journal.segment import (
    Cursor,
    Pair,
    envelopes_key,
    has_more,
    link_of_first,
    merge,
    payloads_key,
    scan,
    segment_starts,
)
from retention.model.errors import JournalBrokenError
from tests.journal.entries import entry, groups


def pair_of(written):
    return Pair(b"".join(one.line + b"\n" for one in written), b"".join(one.frame for one in written))


def joined(one, other):
    return Pair(one.envelopes + other.envelopes, one.payloads + other.payloads)


def scanned(pair, start=None):
    leaves: list[bytes] = []
    return scan(pair, start or Cursor(), leaves), leaves


@given(groups(max_groups=1))
def test_everything_that_was_written_counts(all_groups):
    written = write_entries(all_groups[0], 0, FIRST_LINK)
    pair = pair_of(written)
    end, leaves = scanned(pair)
    assert end == Cursor(len(written), written[-1].leaf[:16], len(pair.envelopes), len(pair.payloads))
    assert leaves == [one.leaf for one in written]


@given(groups(max_groups=2), st.data())
def test_only_whole_entries_count_of_files_that_were_cut(all_groups, data):
    written = write_entries([one for group in all_groups for one in group], 0, FIRST_LINK)
    whole = pair_of(written)
    lines = data.draw(st.integers(0, len(whole.envelopes)))
    frames = data.draw(st.integers(0, len(whole.payloads)))
    _, leaves = scanned(Pair(whole.envelopes[:lines], whole.payloads[:frames]))
    count = len(leaves)
    assert leaves == [one.leaf for one in written[:count]]
    counted = pair_of(written[:count])
    assert len(counted.envelopes) <= lines
    assert len(counted.payloads) <= frames
    if count < len(written):
        more = pair_of(written[: count + 1])
        assert len(more.envelopes) > lines or len(more.payloads) > frames


def test_entries_count_only_at_their_own_place():
    first, second, third = write_entries([entry(0), entry(1), entry(2)], 0, FIRST_LINK)
    assert scanned(pair_of([first, third, second]))[0].seq == 1
    assert scanned(pair_of([second]))[0].seq == 0
    assert scanned(pair_of([first, first]))[0].seq == 1
    (foreign,) = write_entries([entry(1)], 1, b"x" * 16)
    assert scanned(pair_of([first, foreign]))[0].seq == 1


@pytest.mark.parametrize("digits", ["9" * 10, "9" * 5000])
def test_absurd_lengths_are_no_entry_and_no_trouble(digits):
    (one,) = write_entries([entry(0)], 0, FIRST_LINK)
    line = one.line.replace(b'"bytes":6', f'"bytes":{digits}'.encode())
    assert scanned(Pair(line + b"\n", one.frame))[0].seq == 0


def test_a_run_is_continued_on_another_replica():
    one, two, three = write_entries([entry(0), entry(1), entry(2)], 0, FIRST_LINK)
    whole = pair_of([one, two, three])
    first_damaged = Pair(b"X" + whole.envelopes[1:], whole.payloads)
    last_damaged = Pair(whole.envelopes, whole.payloads[:-1] + b"X")
    merged = merge({"a": first_damaged, "b": last_damaged}, Cursor())
    assert (merged.pair, merged.end.seq) == (whole, 3)
    assert merged.leaves == [one.leaf, two.leaf, three.leaf]


def test_two_entries_for_one_place_contradict_each_other():
    (first,) = write_entries([entry(0)], 0, FIRST_LINK)
    one, other = (
        joined(pair_of([first]), pair_of(write_entries([entry(number)], 1, first.leaf[:16])))
        for number in (1, 2)
    )
    with pytest.raises(JournalBrokenError, match="entry 1 of a, c is another than that of b") as caught:
        merge({"a": one, "b": other, "c": one}, Cursor())
    assert caught.value.context == {"seq": 1, "replicas": [["a", "c"], ["b"]]}


def test_one_entry_with_two_salts_is_two_entries():
    one, other = (pair_of(write_entries([entry(0)], 0, FIRST_LINK)) for _ in range(2))
    with pytest.raises(JournalBrokenError, match="entry 0"):
        merge({"a": one, "b": other}, Cursor())


def test_nothing_of_nothing_counts():
    merged = merge({"a": Pair(b"", b""), "b": Pair(b"{", b"")}, Cursor(5, b"l" * 16))
    assert (merged.pair, merged.end, merged.leaves) == (Pair(b"", b""), Cursor(5, b"l" * 16), [])


LINE = write_entries([entry(0)], 7, FIRST_LINK)[0].line + b"\n"


@pytest.mark.parametrize(
    ("rest", "aligned", "more"),
    [
        (b"", True, False),
        (LINE[:-1], True, False),
        (b"\0" * 10 + LINE, True, False),
        (LINE, True, True),
        (b"damaged\n", True, True),
        (b"damaged\n", False, False),
        (b"damaged\n" + LINE, False, True),
        (LINE.replace(b'"seq":7', b'"seq":6'), False, False),
    ],
)
def test_what_follows_the_last_entry_is_another_or_was_cut_short(rest, aligned, more):
    assert has_more(rest, 7, aligned=aligned) == more


def test_a_segment_says_itself_what_was_before():
    (one,) = write_entries([entry(0)], 7, b"l" * 16)
    assert link_of_first(pair_of([one])) == b"l" * 16
    assert link_of_first(Pair(b"nothing", b"")) == FIRST_LINK


def test_keys_sort_as_entries_do():
    assert envelopes_key(12) == "journal/000000000012.envelopes"
    assert sorted([payloads_key(10), payloads_key(9)]) == [payloads_key(9), payloads_key(10)]
    keys = [envelopes_key(3), payloads_key(3), payloads_key(8), "journal/x.envelopes", "keyring/root.json"]
    assert segment_starts(keys) == {3, 8}
