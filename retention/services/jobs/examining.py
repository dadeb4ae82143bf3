"""The doctor's look at what runs by itself: does anybody run it, is it late, did the last drill give all back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from retention.model.clock import parse_instant
from retention.model.errors import RetentionError
from retention.services.doctor import Check, CheckStatus
from retention.services.drill import last_drill
from retention.services.jobs.standing import Stand, Standing, scheduler, standings
from retention.services.stores import Stores

DRILL_WITHIN = timedelta(days=45)
"""A drill a month, and the time that a slow tier takes to answer."""
LIST = "retention schedule list"


def examine_schedule(stores: Stores) -> Iterator[Check]:
    """Yield what is to be said of the scheduler, of jobs, and of the last restore drill."""
    try:
        found = standings(stores)
    except RetentionError:
        return  # the catalog cannot be asked: that is a check of its own
    was_planned = any(each.state.due_at is not None for each in found)
    late = [each for each in found if each.is_late]
    if scheduler(stores) is None:
        status = CheckStatus.FAILED if late else CheckStatus.WARNING
        detail = "nobody runs what is due" if was_planned else "no scheduler has run yet"
        yield Check("scheduler", status, detail, "retention serve, or serve --only scheduler")
    else:
        yield Check("scheduler", CheckStatus.OK, "runs what is due")
    yield _jobs(found, late)
    yield _drill(stores)


def _jobs(found: list[Standing], late: list[Standing]) -> Check:
    said = {
        "late": _names(late),
        "failed": _names(each for each in found if each.is_failing),
        "paused": _names(each for each in found if each.stand is Stand.PAUSED),
        "off": _names(each for each in found if each.stand is Stand.OFF),
    }
    detail = "; ".join(f"{what}: {names}" for what, names in said.items() if names)
    if not detail:
        return Check("jobs", CheckStatus.OK, "none is late, paused, or failed the last time")
    is_bad = bool(said["late"] or said["failed"])
    return Check("jobs", CheckStatus.FAILED if is_bad else CheckStatus.WARNING, detail, LIST)


def _names(standings: Iterator[Standing] | list[Standing]) -> str:
    return ", ".join(each.job.name for each in standings)


def _drill(stores: Stores) -> Check:
    last = last_drill(stores)
    if last is None:
        hint = "retention schedule run drill; a scheduler does it every month"
        return Check("restore drill", CheckStatus.WARNING, "nothing was ever given back as a drill", hint)
    at, failed = parse_instant(last["at"]), last["failed"]
    detail = f"{last['packages']} packages with {last['instances']} instances came back, {at:%Y-%m-%d}"
    if failed:
        what = f"{detail}; {len(failed)} could not be given back: {', '.join(failed)}"
        return Check("restore drill", CheckStatus.FAILED, what, "retention audit run --all, then study show")
    if stores.clock.now() - at > DRILL_WITHIN:
        return Check("restore drill", CheckStatus.WARNING, f"{detail}: long ago", LIST)
    return Check("restore drill", CheckStatus.OK, detail)
