"""All that runs by itself, in the order in which `schedule list` shows it.

A job is added here, and under its name in `retention.settings.document.ScheduleSection`: a test compares the two. What
a job does is its service's own; here stands only how it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec

from retention.services.jobs.job import AT_ONCE, Done, Job, Work
from retention.services.stores import Stores


def _audit(stores: Stores, work: Work) -> Done:
    from retention.services.audit.rounds import run_due

    report = run_due(stores, stop=work.stop)
    return work.done(report, is_left=report.left, has_findings=bool(report.findings))


def _decisions(stores: Stores, _work: Work) -> Done:
    from retention.services import decisions

    return Done({"decided": decisions.refresh(stores)})


def _lifecycle(stores: Stores, work: Work) -> Done:
    from retention.services.lifecycle.due import run_due
    from retention.services.move.budget import NO_LIMITS

    done = run_due(stores, NO_LIMITS, stop=work.stop)
    return work.done(done, is_left=work.stop(), problems=done.problems)


def _recall(stores: Stores, _work: Work) -> Done:
    from retention.services import recall
    from retention.services.move.leaving import drop_due

    advanced, dropped = recall.advance(stores), drop_due(stores)
    problems = tuple(f"recall {each.recall_id}: {error.message}" for each, error in advanced.failed)
    numbers = {"ready": len(advanced.ready), "dropped": len(dropped.packages)}
    return Done(numbers, problems)


def _locks(stores: Stores, work: Work) -> Done:
    from retention.services.locks import renew_locks

    done = renew_locks(stores, stop=work.stop)
    return work.done(
        done,
        is_left=done.is_left,
        problems=tuple(f"{volume}: {error.message}" for volume, error in done.problems),
    )


def _seal(stores: Stores, work: Work) -> Done:
    from retention.services.seal_due import seal_if_due

    done = seal_if_due(stores, stop=work.stop)
    numbers = {"sealed": int(done.sealed is not None), "timestamped": done.timestamped}
    numbers |= {"waiting": done.status.waiting, "lapsed": done.status.lapsed}
    is_waiting = done.status.waiting > 0 and done.why_not is not None
    return Done(numbers, (done.why_not or "",) if is_waiting else (), has_findings=done.status.lapsed > 0)


def _drill(stores: Stores, work: Work) -> Done:
    from retention.services.drill import LOOK_AGAIN, drill

    done = drill(stores, stop=work.stop)
    again_after = None if done.is_over else AT_ONCE if done.left else LOOK_AGAIN
    found = work.done(done, problems=done.problems, has_findings=bool(done.failed))
    return replace(found, again_after=again_after)


def _clean(stores: Stores, work: Work) -> Done:
    from retention.services.cleaning import clean

    done = clean(stores, stop=work.stop)
    return work.done(done, problems=done.problems)


def _inventory(stores: Stores, work: Work) -> Done:
    if (missing := _without_reports()) is not None:
        return missing
    from retention.services.inventory import inventory_if_due

    return work.done(inventory_if_due(stores, stop=work.stop), is_left=work.stop())


def _report(stores: Stores, work: Work) -> Done:
    if (missing := _without_reports()) is not None:
        return missing
    from retention.services.compliance.due import report_if_due

    return work.done(report_if_due(stores, stop=work.stop))


def _without_reports() -> Done | None:
    """Say what is missing where the optional libraries are not installed: that is no failure, and not silent either."""
    if all(find_spec(library) for library in ("pyarrow", "typst")):
        return None
    return Done(problems=("this needs libraries that are not installed: pip install 'retention[reports]'",))


JOBS: Mapping[str, Job] = {
    job.name: job
    for job in (
        Job("audit", "PT1H", _audit, rests=True, is_long=True),
        Job("lifecycle", "0 2 * * *", _lifecycle, rests=True, is_long=True),
        Job("recall", "PT5M", _recall),
        Job("decisions", "PT1H", _decisions),
        Job("seal", "PT1H", _seal),
        Job("drill", "0 3 1 * *", _drill, rests=True, is_long=True),
        Job("clean", "30 3 * * *", _clean),
        Job("locks", "0 4 * * *", _locks, is_long=True),
        Job("inventory", "0 5 * * 0", _inventory, rests=True, is_long=True, budget_s=3600.0),
        Job("report", "0 6 1 * *", _report, rests=True, is_long=True),
    )
}
"""Every job by its name."""
