"""`lifecycle plan|apply|run`: which studies should change tier, and moving them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retention.cli import exit_codes
from retention.cli.days import day_of
from retention.cli.invocation import Result, command, current
from retention.cli.text import rate_text, size_text, table_lines

if TYPE_CHECKING:
    from retention.catalog.records import PackageSummary
    from retention.cli.documents.lifecycle import (
        LifecycleKept,
        LifecycleMove,
        LifecyclePlan,
        LifecycleProblem,
        LifecycleRun,
    )
    from retention.model.errors import KeptError, StorageError
    from retention.services.lifecycle.carry_out import Outcome
    from retention.services.lifecycle.planned import PlannedMove
    from retention.services.move.budget import Limits
    from retention.services.move.leaving import Left
    from retention.services.recall import Advanced

MaxBytes = Annotated[str | None, typer.Option(metavar="SIZE", help="At most so much, as received (10GiB).")]
Rate = Annotated[float | None, typer.Option(metavar="MB/S", min=0.001, help="At most so fast.")]
MaxSeconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=0, help="Begin nothing after so long.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Which studies should change tier, and moving them.")
    group.command("plan")(plan)
    group.command("apply")(apply)
    group.command("run")(run)
    app.add_typer(group, name="lifecycle")


@command("lifecycle plan")
def plan(
    at: Annotated[
        str | None, typer.Option(metavar="DAY", help="What is due by that day (default: today).")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the plan there.")] = None,
) -> Result[LifecyclePlan]:
    """Say which studies should change tier; nothing is moved."""
    from retention.services import decisions
    from retention.services.lifecycle.plan import plan_moves
    from retention.services.lifecycle.planned import write_plan

    wanted = None if at is None else day_of(at)
    with closing(current.open()) as stores:
        decisions.refresh(stores)
        day = wanted or stores.clock.now().date()
        moves = list(plan_moves(stores, wanted))
    if out is not None:
        write_plan(out, day, moves)
    data: LifecyclePlan = {
        "at": day.isoformat(),
        "moves": [move_document(move) for move in moves],
        "file": None if out is None else str(out),
    }
    return Result(data, _plan_lines(moves, out), rows="moves")


@command("lifecycle apply")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A plan: lifecycle plan --out FILE.")],
    max_bytes: MaxBytes = None,
    rate: Rate = None,
    max_seconds: MaxSeconds = None,
) -> Result[LifecycleRun]:
    """Make the moves of a plan; what does not fit any more is skipped."""
    from retention.services.lifecycle.carry_out import carry_out
    from retention.services.lifecycle.planned import read_plan
    from retention.services.move.leaving import drop_due

    limits, moves = _limits(max_bytes, rate, max_seconds), read_plan(file)
    with closing(current.open(to_write=True)) as stores:
        outcome = carry_out(stores, moves, limits, current.progress())
        dropped = drop_due(stores)
    return _result(outcome, dropped)


@command("lifecycle run")
def run(
    max_bytes: MaxBytes = None, rate: Rate = None, max_seconds: MaxSeconds = None
) -> Result[LifecycleRun]:
    """Move what the plans want moved now, finish recalls, and drop what has had its time."""
    from retention.services import decisions, recall
    from retention.services.lifecycle.carry_out import carry_out
    from retention.services.lifecycle.plan import plan_moves
    from retention.services.move.leaving import drop_due

    limits = _limits(max_bytes, rate, max_seconds)
    with closing(current.open(to_write=True)) as stores:
        decisions.refresh(stores)
        recalled = recall.advance(stores)
        outcome = carry_out(stores, plan_moves(stores), limits, current.progress())
        dropped = drop_due(stores)
    return _result(outcome, dropped, recalled)


def _limits(max_bytes: str | None, rate: float | None, max_seconds: float | None) -> Limits:
    from retention.services.move.budget import Limits
    from retention.settings.terms import Wrong, parse_size

    size_bytes = None if max_bytes is None else parse_size(max_bytes)
    if isinstance(size_bytes, Wrong):
        raise current.usage_error("lifecycle.no_size", text=max_bytes)
    return Limits(size_bytes, rate, max_seconds)


def _result(outcome: Outcome, dropped: Left, recalled: Advanced | None = None) -> Result[LifecycleRun]:
    findings = 0 if recalled is None else len(recalled.findings)
    data: LifecycleRun = {
        "moves": [move_document(move) for move in outcome.moved],
        "moved": len(outcome.moved),
        "waiting": len(outcome.waiting),
        "failed": len(outcome.failed),
        "skipped": len(outcome.skipped),
        "left": len(outcome.left),
        "bytes": outcome.bytes_moved,
        "dropped": len(dropped.packages),
        "kept": [_kept(package, error) for package, error in dropped.kept],
        "unlocked": [error.message for error in outcome.unlocked],
        "recalled": 0 if recalled is None else len(recalled.ready),
        "findings": findings,
        "seconds": round(outcome.seconds, 3),
        "problems": [
            *(_problem(move, error.message, error.hint) for move, error in outcome.failed),
            *(_problem(move, why, None) for move, why in outcome.skipped),
        ],
    }
    code = exit_codes.FINDINGS if findings else exit_codes.DONE
    if outcome.failed:
        code = exit_codes.PARTIAL
    return Result(data, _lines(data), code, rows="moves")


def _kept(package: PackageSummary, error: KeptError | StorageError) -> LifecycleKept:
    from retention.model.clock import format_instant

    until_at = getattr(error, "until_at", None)
    return {
        "package": package.package_id,
        "study_uid": package.study_uid,
        "message": error.message,
        "until": None if until_at is None else format_instant(until_at),
    }


def move_document(move: PlannedMove) -> LifecycleMove:
    return {
        "study_uid": move.study_uid,
        "institution": move.institution,
        "from": move.from_tier,
        "to": move.to_tier,
        "bytes": move.size_bytes,
        "rule": move.rule,
    }


def _problem(move: PlannedMove, message: str, hint: str | None) -> LifecycleProblem:
    return {
        "study_uid": move.study_uid,
        "institution": move.institution,
        "to": move.to_tier,
        "message": message,
        "hint": hint,
    }


def _plan_lines(moves: Sequence[PlannedMove], out: Path | None) -> Iterator[str]:
    if not moves:
        yield current.say("lifecycle.nothing")
        return
    yield current.say(
        "lifecycle.due", moves=len(moves), size=size_text(sum(move.size_bytes for move in moves))
    )
    names = (
        "study.uid",
        "study.institution",
        "lifecycle.from",
        "lifecycle.to",
        "study.size",
        "lifecycle.rule",
    )
    rows = (
        [m.study_uid, m.institution, m.from_tier, m.to_tier, size_text(m.size_bytes), m.rule] for m in moves
    )
    yield from table_lines([current.say(name) for name in names], rows)
    if out is not None:
        yield current.say("lifecycle.next", file=out)


def _lines(data: LifecycleRun) -> Iterator[str]:
    yield current.say(
        "lifecycle.moved",
        moved=data["moved"],
        size=size_text(data["bytes"]),
        seconds=data["seconds"],
        rate=rate_text(data["bytes"], data["seconds"]),
    )
    for name, count in (
        ("waiting", data["waiting"]),
        ("left", data["left"]),
        ("dropped", data["dropped"]),
        ("recalled", data["recalled"]),
    ):
        if count:
            yield current.say(f"lifecycle.{name}", count=count)
    if data["findings"]:
        yield current.say("recall.findings", count=data["findings"])
    for message in [*(kept["message"] for kept in data["kept"]), *data["unlocked"]]:
        yield current.say("lifecycle.kept", message=current.told(message))
    for problem in data["problems"]:
        yield current.say(
            "lifecycle.problem",
            study=problem["study_uid"],
            tier=problem["to"],
            message=current.told(problem["message"]),
        )
