"""From when to when a version counts, in an institution's own days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from retention.catalog.policy_records import EnactmentRecord
from retention.services.entries.policies import record_of
from retention.services.in_force import enacted_of
from retention.services.policies import library_entry

PARIS = ZoneInfo("Europe/Paris")
POLICY = record_of(library_entry("generic-20-years"))
FROM = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 6, 1, 22, 30, tzinfo=UTC)  # half past midnight of 2 June in Paris


def days(until_at: datetime | None, succeeded_on: date | None = None, *, is_retired: bool = False):
    enacted = enacted_of(EnactmentRecord(POLICY, FROM, until_at, succeeded_on, is_retired), PARIS)
    return enacted.until_on, enacted.retired_on


@pytest.mark.parametrize(
    ("until_at", "succeeded_on", "is_retired", "expected"),
    [
        (None, None, False, (None, None)),
        (LATE, None, False, (date(2026, 6, 2), None)),
        (LATE, date(2026, 1, 1), False, (date(2026, 6, 2), None)),
        (LATE, date(2027, 1, 1), False, (date(2026, 12, 31), None)),
        (LATE, None, True, (date(2026, 6, 2), date(2026, 6, 2))),
        (LATE, date(2026, 1, 1), True, (date(2026, 6, 2), date(2026, 6, 2))),
        (LATE, date(2027, 1, 1), True, (date(2026, 12, 31), date(2027, 1, 1))),
    ],
)
def test_the_days_of_a_version(until_at, succeeded_on, is_retired, expected):
    assert days(until_at, succeeded_on, is_retired=is_retired) == expected


def test_the_document_is_as_it_was_put_in_force():
    assert enacted_of(EnactmentRecord(POLICY, FROM, None, None, is_retired=False), PARIS).policy.digest() == (
        POLICY.digest
    )
