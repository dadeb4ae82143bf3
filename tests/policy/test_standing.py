"""Facts supersede, never erase; what waits for a second person changes nothing."""

from datetime import UTC, datetime

from retention.policy.standing import FactRecord, pending, standing
from retention.policy.subject import Fact
from tests.policy.making import fact

FIRST, SECOND = fact("death", "2020-01-01"), fact("death", "2021-01-01")


def at(day: int) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC)


def record(
    record_id: str,
    told: Fact | None,
    day: int,
    *supersedes: str,
    approval: int | None = None,
    needs: bool = False,
) -> FactRecord:
    return FactRecord(
        record_id,
        told,
        "ana",
        at(day),
        frozenset(supersedes),
        needs,
        None if approval is None else at(approval),
    )


def test_a_record_takes_the_place_of_what_it_supersedes():
    records = [record("1", FIRST, 1), record("2", SECOND, 2, "1")]
    assert standing(records) == [SECOND]
    assert standing(records[::-1]) == [SECOND]


def test_a_withdrawal_leaves_nothing():
    assert standing([record("1", FIRST, 1), record("2", None, 2, "1")]) == []


def test_a_superseded_correction_does_not_bring_the_first_back():
    assert standing([record("1", FIRST, 1), record("2", SECOND, 2, "1"), record("3", None, 3, "2")]) == []


def test_what_waits_for_a_second_person_neither_counts_nor_corrects():
    waiting = record("2", SECOND, 2, "1", needs=True)
    assert standing([record("1", FIRST, 1), waiting]) == [FIRST]
    assert pending([record("1", FIRST, 1), waiting]) == [waiting]
    approved = record("2", SECOND, 2, "1", needs=True, approval=5)
    assert standing([record("1", FIRST, 1), approved]) == [SECOND]
    assert pending([approved]) == []


def test_what_was_known_at_an_instant_can_be_told_again():
    records = [record("1", FIRST, 1), record("2", SECOND, 3, "1", needs=True, approval=5)]
    assert standing(records, at(2)) == [FIRST]
    assert standing(records, at(4)) == [FIRST]
    assert standing(records, at(5)) == [SECOND]
    assert standing(records, datetime(2020, 1, 1, tzinfo=UTC)) == []
