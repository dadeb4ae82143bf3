"""What `fact` commands say, for machines and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from retention.cli.invocation import current
from retention.cli.text import harmless, table_lines
from retention.model.clock import format_instant

if TYPE_CHECKING:
    from retention.catalog.fact_records import RecordedAttribution, RecordedFact
    from retention.cli.documents.fact import FactEffect, FactRecorded, FactRow
    from retention.policy.fates import Tally
    from retention.services.facts.reading import Refused
    from retention.services.facts.record import Done
    from retention.services.facts.saying import Objection
    from retention.services.facts.weigh import Weighed


def reason_text(objection: Objection) -> str:
    """Say why something can be no fact."""
    return current.say(f"fact_refusal.{objection.key}", **dict(objection.values))


def effect_document(tally: Tally) -> FactEffect:
    """Return the studies concerned, by what becomes of their ends."""
    from retention.policy.fates import Fate

    return {
        "earlier": tally.studies[Fate.EARLIER],
        "later": tally.studies[Fate.LATER],
        "restated": tally.studies[Fate.RESTATED],
        "same": tally.studies[Fate.SAME],
    }


def recorded_document(weighed: Weighed, done: Done | None) -> FactRecorded:
    """Return what was recorded; without `done`, what would be."""
    return {
        "facts": weighed.facts,
        "pending": weighed.pending,
        "unchanged": weighed.unchanged,
        "strangers": weighed.strangers,
        "merged": 0,
        "ignored": 0,
        "effect": effect_document(weighed.tally),
        "approvals": [] if done is None else list(done.batches),
        "refused": [],
        "recorded": done is not None,
    }


def refused_document(refused: Sequence[Refused]) -> FactRecorded:
    """Return which rows can be no facts: nothing was recorded."""
    return {
        "facts": 0,
        "pending": 0,
        "unchanged": 0,
        "strangers": 0,
        "merged": 0,
        "ignored": 0,
        "effect": {"earlier": 0, "later": 0, "restated": 0, "same": 0},
        "approvals": [],
        "refused": [{"line": each.line, "reason": reason_text(each.objection)} for each in refused],
        "recorded": False,
    }


def refused_lines(refused: Sequence[Refused]) -> Iterator[str]:
    """Tell people the same."""
    for each in refused:
        yield current.say("facts.refused", line=each.line, reason=reason_text(each.objection))
    yield current.say("facts.nothing")


def effect_lines(weighed: Weighed) -> Iterator[str]:
    """Tell people what it changes."""
    yield current.say(
        "facts.effect", facts=weighed.facts, unchanged=weighed.unchanged, **effect_document(weighed.tally)
    )
    if weighed.strangers:
        yield current.say("facts.strangers", count=weighed.strangers)


def done_lines(done: Done) -> Iterator[str]:
    """Tell people what was recorded."""
    weighed = done.weighed
    yield current.say("facts.recorded", facts=weighed.facts - weighed.pending, unchanged=weighed.unchanged)
    if weighed.pending:
        yield current.say("facts.pending", count=weighed.pending, approvals=", ".join(done.batches))
    if weighed.studies:
        yield from list(effect_lines(weighed))[:1]


def fact_row(fact: RecordedFact) -> FactRow:
    """Return one record of a list."""
    said, recorded = fact.statement, fact.recorded
    return {
        "id": said.record_id,
        "institution": fact.institution,
        "patient_id": fact.patient.patient_id,
        "issuer": fact.patient.issuer or None,
        "kind": said.kind,
        "from": None if said.from_on is None else said.from_on.isoformat(),
        "to": None if said.to_on is None else said.to_on.isoformat(),
        "source": said.source,
        "assurance": "verified" if said.assurance == "verified" else "declared",
        "state": fact.state.value,
        "withdraws": said.withdraws,
        "supersedes": list(said.supersedes),
        "recorded_by": recorded.by,
        "recorded": format_instant(recorded.at),
        "entry": recorded.sequence,
        "decided": None if fact.decided_at is None else format_instant(fact.decided_at),
        "batch": recorded.batch_id,
    }


def identity_row(fact: RecordedAttribution) -> FactRow:
    """Return one fact about identity of a list."""
    said, recorded = fact.statement, fact.recorded
    return {
        "id": said.record_id,
        "institution": fact.institution,
        "patient_id": said.patient.patient_id,
        "issuer": said.patient.issuer or None,
        "kind": "identity",
        "from": None,
        "to": None,
        "source": said.source,
        "assurance": "declared",
        "state": fact.state.value,
        "withdraws": False,
        "supersedes": [],
        "recorded_by": recorded.by,
        "recorded": format_instant(recorded.at),
        "entry": recorded.sequence,
        "decided": None if fact.decided_at is None else format_instant(fact.decided_at),
        "batch": recorded.batch_id,
    }


def list_lines(rows: Sequence[FactRow]) -> Iterator[str]:
    """Tell people the same."""
    if not rows:
        yield current.say("facts.none")
        return
    headings = [current.say(f"facts.column_{name}") for name in ("id", "patient", "kind", "days", "state")]
    cells = (
        [
            row["id"][:12],
            harmless(f"{row['institution']}: {row['patient_id']}"),
            row["kind"],
            " … ".join(day for day in (row["from"], row["to"]) if day) or "-",
            row["state"],
        ]
        for row in rows
    )
    yield from table_lines(headings, cells)
