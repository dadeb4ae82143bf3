"""The monthly report that nobody has to ask for: of the month that has ended, in the archive's folder `reports/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from retention.services.compliance.report import make_report
from retention.services.stores import Stores

FOLDER = "reports"
LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class ReportDone:
    """What the scheduled report did: 0 when it was there already; how many open points it has."""

    reports: int
    open_points: int


def report_if_due(stores: Stores, *, stop: Callable[[], bool]) -> ReportDone:
    """Make the report of the last whole month, unless it is there or the archive is younger.

    Raises as `make_report`.
    """
    first_of_month = stores.clock.now().date().replace(day=1)
    last = first_of_month - timedelta(days=1)
    out = stores.root / FOLDER / f"{last:%Y-%m}"
    began = next(iter(stores.journal.read(0)), None)
    if stop() or out.exists() or began is None or began.envelope.at.date() >= first_of_month:
        return ReportDone(0, 0)
    out.parent.mkdir(mode=0o700, exist_ok=True)
    made = make_report(stores, last.replace(day=1), last, out, language=LANGUAGE)
    return ReportDone(1, len(made.exceptions))
