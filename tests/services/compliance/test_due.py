"""The report of the last month makes itself once, and not of months in which there was no archive."""

from __future__ import annotations

from datetime import timedelta

from retention.model.clock import RehearsalClock
from retention.services.compliance.due import report_if_due
from tests.services.world import World


def test_it_is_made_when_the_month_is_over_and_once(held: World):
    with held.opened() as stores:
        assert report_if_due(stores, stop=lambda: False).reports == 0
        next_month = stores.clock.now().replace(day=28) + timedelta(days=5)
        stores.clock = RehearsalClock(next_month)
        assert report_if_due(stores, stop=lambda: True).reports == 0
        assert report_if_due(stores, stop=lambda: False).reports == 1
        assert report_if_due(stores, stop=lambda: False).reports == 0
    (made,) = (held.root / "reports").iterdir()
    assert (made / "report.pdf").is_file()
