"""The scheduled audit: what is due now, within a budget, continued where the last one stopped.

In this order: random samples, as much of them as the time of their round asks for; whether everything is there on tiers
that answer slowly; and then what was read longest ago. Nothing is remembered
but what the journal says: which readings count, what a sample is drawn from, how far a look at a slow tier has come. So
a run that was killed loses a batch of results, and a rebuilt catalog goes on at the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice

from retention.catalog.audit_records import PackageReading
from retention.catalog.records import PackageSummary
from retention.model.errors import RetentionError
from retention.services.audit import history, lateness, planning
from retention.services.audit.asked import asked_of
from retention.services.audit.audit import AuditReport, Task
from retention.services.audit.planning import Asked, Candidate, Planned
from retention.services.audit.presence import presence_tasks
from retention.services.audit.recalled import Recalls
from retention.services.audit.samples import sample_tasks
from retention.services.audit.selection import Work, audit
from retention.services.move.budget import NO_LIMITS, Limits
from retention.services.progress import NoProgress, Progress
from retention.services.stores import Stores

PAGE = 200
"""Packages whose shards are looked up at once."""


def run_due(
    stores: Stores,
    *,
    budget: Limits = NO_LIMITS,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
    repair: bool = True,
) -> AuditReport:
    """Read back what is due, as far as the budget goes; repair it unless told not to.

    Safe to call when nothing is due, and resumable. What is late when it begins is a finding, also if it is read now.
    Raises as `audit`.
    """
    terms = stores.settings.audit
    limits = Limits(budget.max_bytes, budget.rate_mb_s or terms.rate_mb_s, budget.max_seconds)
    asked = asked_of(stores)
    late = lateness.of(stores, asked)
    work = Work(
        "due",
        due_tasks(stores, asked, limits.max_bytes),
        is_round=True,
        limits=limits,
        stop=stop,
        late=lambda: lateness.findings(late, lateness.of(stores, asked)),
    )
    report = audit(stores, work, progress or NoProgress(), repair=repair)
    _write_history(stores, report)
    return report


def _write_history(stores: Stores, report: AuditReport) -> None:
    """Bring the history up to date; that it cannot be written stops no audit: the journal has it all."""
    try:
        history.bring_up_to_date(stores)
    except RetentionError as error:
        report.not_checked.append(f"history: {error.message}")


def due_tasks(stores: Stores, asked: list[Asked], max_bytes: int | None) -> Iterator[Task]:
    """Yield what is due, in the order in which it should be done."""
    recalls = Recalls(stores)
    slow = [each for each in asked if each.is_slow]
    return chain(
        chain.from_iterable(sample_tasks(stores, each, recalls) for each in asked),
        chain.from_iterable(presence_tasks(stores, each) for each in slow),
        longest_unread(stores, [each for each in asked if not each.is_slow], max_bytes),
        chain.from_iterable(recalls.longest_unread(each) for each in slow),
    )


def longest_unread(stores: Stores, asked: list[Asked], max_bytes: int | None) -> Iterator[Task]:
    """Yield full readings of what was read longest ago, nearest to being late first."""
    by_tier = {each.tier: each for each in asked}
    planned = planned_readings(stores, asked, max_bytes)
    while rows := [each.row for each in islice(planned, PAGE)]:
        for package in stores.catalog.audits.packages(rows):
            yield _task(package, by_tier[package.tier], stores)


def planned_readings(stores: Stores, asked: list[Asked], max_bytes: int | None) -> Iterator[Planned]:
    """Yield which packages are to be read, nearest to being late first, until the budget is spent."""
    return planning.plan(_streams(stores, asked), asked, stores.clock.now(), max_bytes)


def _task(package: PackageSummary, asked: Asked, stores: Stores) -> Task:
    placed = [shard for shard in package.shards if shard.volume is not None]
    readings = [shard.verified_at or package.created_at for shard in placed]
    chosen = planning.choose(readings, package.bytes_stored, asked, stores.clock.now())
    return Task(package, only=frozenset(placed[place].number for place in chosen))


def _streams(stores: Stores, asked: list[Asked]) -> Iterator[Iterator[Candidate]]:
    audits, now = stores.catalog.audits, stores.clock.now()
    for each in asked:
        if each.full is not None:
            yield map(_candidate, audits.longest_unread(each.tier, now - planning.lead(each.full)))
            shards = min(stores.settings.tiers[each.tier].protection.shards, planning.GROUPS)
            if shards > 1:
                spacing = planning.spacing(each.full, shards)
                yield map(_candidate, audits.longest_untouched(each.tier, now - spacing))


def _candidate(reading: PackageReading) -> Candidate:
    return Candidate(
        reading.row, reading.tier, reading.size_bytes, reading.shards, reading.verified_at, reading.read_at
    )
