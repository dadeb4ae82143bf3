"""`audit status` and `audit history`: how far audits are, and their results as Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from retention.cli import exit_codes
from retention.cli.invocation import Result, command, current
from retention.cli.text import rate_text, size_text, table_lines, toned
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from datetime import datetime

    from retention.cli.documents.audit_status import (
        AuditForecast,
        AuditHistory,
        AuditSample,
        AuditStatus,
        AuditTier,
    )
    from retention.services.audit.coverage import Coverage, TierCoverage
    from retention.services.audit.drawing import SampleProgress
    from retention.services.audit.planning import Forecast

_COLUMNS = ("tier", "packages", "size", "asked", "in_time", "due", "late", "oldest", "round")


@command("audit status")
def status() -> Result[AuditStatus]:
    """Coverage against what plans ask for: due, done, late, the oldest check, and how long a round takes."""
    from retention.services.audit.coverage import coverage_of
    from retention.services.audit.standing import disagreements

    with closing(current.open()) as stores:
        coverage = coverage_of(stores)
        problems = [str(found) for found in disagreements(stores)]
    is_fine = not coverage.alarms and not problems
    return Result(
        _document(coverage, problems),
        _lines(coverage, problems),
        exit_codes.DONE if is_fine else exit_codes.FINDINGS,
    )


@command("audit history")
def write_history() -> Result[AuditHistory]:
    """Write the results of every day that lacks them as Parquet, and compare all days with the journal."""
    from retention.services.audit import history

    with closing(current.open()) as stores:
        written = history.bring_up_to_date(stores)
        problems = list(history.check(stores))
        for day in {problem.day for problem in problems}:
            history.write_day(stores, day)
        folder = stores.root / history.FOLDER
    data: AuditHistory = {
        "folder": str(folder),
        "days": len(written),
        "written": [day.isoformat() for day in written],
        "problems": [f"{problem.day}: {problem.detail}" for problem in problems],
    }
    lines = [current.say("audit.history", days=len(written), folder=folder)]
    lines += [
        current.say("audit.history_problem", problem=current.told(problem)) for problem in data["problems"]
    ]
    return Result(data, iter(lines), exit_codes.FINDINGS if problems else exit_codes.DONE)


def _document(coverage: Coverage, problems: list[str]) -> AuditStatus:
    return {
        "coverage": round(coverage.share, 6),
        "done": coverage.done,
        "due": coverage.due,
        "late": coverage.late,
        "oldest_check": _instant(coverage.oldest_at),
        "last_audit": _instant(coverage.last_audit_at),
        "rate_mb_s": round(coverage.rate_mb_s, 1),
        "rate_measured": coverage.is_measured,
        "forecast": "; ".join(_forecasts(coverage)),
        "tiers": [_tier(tier) for tier in coverage.tiers],
        "alarms": [alarm.value for alarm in coverage.alarms],
        "problems": problems,
    }


def _tier(tier: TierCoverage) -> AuditTier:
    asked = tier.asked
    return {
        "tier": asked.tier,
        "packages": tier.packages,
        "bytes": tier.bytes_stored,
        "asked_days": None if asked.full is None else round(asked.full.total_seconds() / 86400, 2),
        "by_default": asked.by_default,
        "slow": asked.is_slow,
        "done": tier.done,
        "due": tier.due,
        "late": tier.late,
        "unsampled": tier.unsampled,
        "oldest_check": _instant(tier.oldest_at),
        "present_since": _instant(tier.presence_at),
        "sample": None if tier.sample is None else _sample(tier.sample),
        "forecast": None if tier.forecast is None else _forecast(tier.forecast),
    }


def _sample(sample: SampleProgress) -> AuditSample:
    return {
        "round": sample.round.round,
        "began_at": format_instant(sample.round.began_at),
        "seed": sample.round.seed.hex(),
        "packages": sample.packages,
        "due": sample.due,
        "done": sample.done,
    }


def _forecast(forecast: Forecast) -> AuditForecast:
    return {
        "days": round(forecast.days, 3),
        "asked_days": None if forecast.asked_days is None else round(forecast.asked_days, 2),
        "enough": forecast.is_enough,
    }


def _forecasts(coverage: Coverage) -> Iterator[str]:
    """Say of each tier how long a round takes, as people say it."""
    for tier in coverage.tiers:
        forecast = tier.forecast
        if forecast is not None and forecast.asked_days is not None:
            yield current.say(
                "audit.forecast",
                rate=rate_text(round(coverage.rate_mb_s * 1_000_000), 1.0),
                tier=tier.asked.tier,
                days=_days(forecast.days),
                asked=_days(forecast.asked_days),
            )


def _lines(coverage: Coverage, problems: list[str]) -> Iterator[str]:
    is_fine = not coverage.late
    share = toned("ok" if is_fine else "failed", f"{coverage.share:.1%}")
    yield current.say("audit.coverage", share=share, late=coverage.late, due=coverage.due)
    oldest = "-" if coverage.oldest_at is None else f"{coverage.oldest_at:%Y-%m-%d}"
    last = "-" if coverage.last_audit_at is None else f"{coverage.last_audit_at:%Y-%m-%d %H:%M}"
    yield current.say("audit.oldest", oldest=oldest, last=last)
    yield ""
    columns = [current.say(f"audit.column_{name}") for name in _COLUMNS]
    yield from table_lines(columns, (_row(tier) for tier in coverage.tiers))
    yield ""
    yield from _forecasts(coverage)
    for tier in coverage.tiers:
        if tier.sample is not None:
            yield current.say(
                "audit.sample",
                tier=tier.asked.tier,
                done=tier.sample.done,
                packages=tier.sample.packages,
                due=tier.sample.due,
            )
    for alarm in coverage.alarms:
        yield toned("failed", current.say(f"audit.alarm_{alarm.value.replace('-', '_')}"))
    yield from (
        toned("failed", current.say("audit.disagrees", problem=current.told(problem))) for problem in problems
    )


def _row(tier: TierCoverage) -> list[str]:
    asked, forecast = tier.asked, tier.forecast
    return [
        asked.tier,
        str(tier.packages),
        size_text(tier.bytes_stored),
        "-" if asked.full is None else _days(asked.full.total_seconds() / 86400),
        str(tier.done) if asked.full is not None else "-",
        str(tier.due),
        str(tier.late + tier.unsampled),
        "-" if tier.oldest_at is None else f"{tier.oldest_at:%Y-%m-%d}",
        "-" if forecast is None else _days(forecast.days),
    ]


def _days(days: float) -> str:
    """Say a number of days as short as it can be said."""
    if days >= 1:
        return current.say(
            "audit.days", days=f"{days:.0f}" if days >= 10 else f"{days:.1f}".removesuffix(".0")
        )
    if days * 24 >= 1:
        return current.say("audit.hours", hours=f"{days * 24:.0f}")
    return current.say("audit.minutes", minutes=max(1, round(days * 1440)))


def _instant(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)
