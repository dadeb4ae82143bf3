"""`schedule list|run|pause|resume`: what runs by itself, when, and how it went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.names import require_known
from retention.cli.text import table_lines
from retention.model.clock import format_instant, parse_instant

if TYPE_CHECKING:
    from datetime import datetime

    from retention.catalog.jobs import JobRun
    from retention.cli.documents.schedule import (
        JobRow,
        JobRunDocument,
        ScheduleList,
        SchedulePause,
        ScheduleResume,
        ScheduleRun,
    )
    from retention.services.jobs.job import Job
    from retention.services.jobs.standing import Standing
    from retention.services.stores import Stores

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `schedule list` shows it.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What runs by itself, when, and how it went.")
    group.command("list")(list_jobs)
    group.command("run")(run)
    group.command("pause")(pause)
    group.command("resume")(resume)
    app.add_typer(group, name="schedule")


@command("schedule list")
def list_jobs() -> Result[ScheduleList]:
    """List what runs by itself; what is late or failed is a finding."""
    from retention.services.jobs import standing

    with closing(current.open()) as stores:
        found = standing.standings(stores)
        holder = standing.scheduler(stores)
        zone, blackout = standing.zone_of(stores), list(stores.settings.schedule.blackout)
    data: ScheduleList = {
        "jobs": [_row(each) for each in found],
        "scheduler": {"alive": holder is not None, "holder": None if holder is None else holder.lease.holder},
        "timezone": zone,
        "blackout": blackout,
    }
    is_finding = any(each.is_late or each.is_failing for each in found)
    exit_code = exit_codes.FINDINGS if is_finding else exit_codes.DONE
    return Result(data, _list_lines(data), exit_code, rows="jobs")


@command("schedule run")
def run(name: Name) -> Result[ScheduleRun]:
    """Run a job now, in this process, whenever it is due."""
    from retention.services.jobs.running import run_by_hand

    job = _job(name)
    with closing(current.open(to_write=True)) as stores:
        run_by_hand(stores, job)
        row = _standing(stores, job)
    last = row["last"]
    exit_code = exit_codes.DONE
    if last is not None and last["findings"]:
        exit_code = exit_codes.FINDINGS
    elif last is not None and last["detail"]:
        exit_code = exit_codes.PARTIAL
    return Result({"jobs": [row]}, _run_lines(row), exit_code, rows="jobs")


@command("schedule pause")
def pause(
    name: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    until: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="When it runs again (default: at `resume`).")
    ] = None,
) -> Result[SchedulePause]:
    """Stop a job from running by itself; what it leaves undone is late all the same."""
    from retention.services.jobs import pausing

    job = _job(name)
    with closing(current.open(to_write=True)) as stores:
        pausing.pause(stores, job, reason, None if until is None else _instant(until))
        row = _standing(stores, job)
    return Result({"jobs": [row]}, [current.say("schedule.is_paused", name=name)], rows="jobs")


@command("schedule resume")
def resume(name: Name) -> Result[ScheduleResume]:
    """Let a job run by itself again."""
    from retention.services.jobs import pausing

    job = _job(name)
    with closing(current.open(to_write=True)) as stores:
        pausing.resume(stores, job)
        row = _standing(stores, job)
    return Result({"jobs": [row]}, [current.say("schedule.is_resumed", name=name)], rows="jobs")


def _job(name: str) -> Job:
    from retention.services.jobs.table import JOBS

    require_known("job", name, JOBS)
    return JOBS[name]


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError:
        raise current.usage_error("schedule.no_instant", text=text) from None


def _standing(stores: Stores, job: Job) -> JobRow:
    from retention.services.jobs.standing import standings

    return next(_row(each) for each in standings(stores) if each.job is job)


def _row(standing: Standing) -> JobRow:
    state = standing.state
    is_paused = standing.stand == "paused"
    return {
        "name": standing.job.name,
        "what": current.say(f"schedule.job_{standing.job.name}"),
        "trigger": standing.trigger,
        "state": standing.stand.value,
        "due": _written(state.due_at),
        "paused": _written(state.paused_at) if is_paused else None,
        "paused_until": _written(state.paused_until_at) if is_paused else None,
        "paused_by": state.paused_by if is_paused else None,
        "reason": state.reason if is_paused else None,
        "last": None
        if standing.last is None
        else _run(standing.last, is_running=standing.stand == "running"),
    }


def _run(run: JobRun, *, is_running: bool) -> JobRunDocument:
    is_gone = run.ended_at is None and not is_running
    return {
        "started": format_instant(run.started_at),
        "ended": _written(run.ended_at),
        "due": _written(run.due_at),
        "outcome": "interrupted" if is_gone else run.outcome.value,
        "numbers": dict(run.numbers),
        "detail": run.detail,
        "missed": run.missed,
        "left": run.is_left,
        "findings": run.has_findings,
    }


def _written(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)


def _list_lines(data: ScheduleList) -> Iterator[str]:
    names = ("name", "trigger", "state", "due", "last", "did")
    rows = data["jobs"]
    yield from table_lines([current.say(f"schedule.{name}") for name in names], map(_cells, rows))
    for row in rows:
        last = row["last"]
        if last is not None and last["detail"]:
            yield current.say("schedule.detail", name=row["name"], detail=current.told(last["detail"]))
        if row["paused"] is not None:
            by, reason = row["paused_by"] or "-", row["reason"] or "-"
            yield current.say("schedule.why", name=row["name"], by=by, reason=reason)
    holder = data["scheduler"]["holder"]
    yield current.say("schedule.nobody") if holder is None else current.say("schedule.holder", holder=holder)
    if data["blackout"]:
        yield current.say("schedule.rests", windows=", ".join(data["blackout"]), zone=data["timezone"])


def _cells(row: JobRow) -> Sequence[str]:
    last = row["last"]
    outcome = "-" if last is None else current.say(f"schedule.run_{last['outcome']}")
    ended = "-" if last is None else f"{_minute(last['started'])} {outcome}"
    did = "-" if last is None else _did(last)
    state = current.say(f"schedule.state_{row['state']}")
    return [row["name"], row["trigger"], state, _minute(row["due"]), ended, did]


def _run_lines(row: JobRow) -> Iterator[str]:
    last = row["last"]
    if last is not None:
        yield current.say("schedule.ran", name=row["name"], did=_did(last))
        if last["detail"]:
            yield current.say("schedule.detail", name=row["name"], detail=current.told(last["detail"]))
        if last["left"]:
            yield current.say("schedule.left", name=row["name"])


def _did(run: JobRunDocument) -> str:
    done = [f"{name} {number}" for name, number in run["numbers"].items() if number]
    missed = [current.say("schedule.missed", count=run["missed"])] if run["missed"] else []
    return ", ".join([*done, *missed]) or current.say("schedule.nothing")


def _minute(instant: str | None) -> str:
    return "-" if instant is None else f"{instant[:16].replace('T', ' ')} UTC"
