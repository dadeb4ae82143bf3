"""A decision as plain JSON values: what `policy explain --json` prints and a certificate embeds, whole.

Days are texts (`2026-03-15`), null where there is none; an end without end is null with `"is_forever": true`.
"""

from __future__ import annotations

from datetime import date

from retention.policy.decision import Decision
from retention.policy.period import FOREVER, UNKNOWN_PAST
from retention.policy.rules import Ends, RuleResult
from retention.policy.subject import Fact, Hold


def decision_record(decision: Decision) -> dict[str, object]:
    """Return everything a decision says."""
    return {
        "at": _day(decision.at),
        "state": decision.state.value,
        "reason": decision.reason.value,
        "keep_until": _day(decision.keep_until),
        "latest_until": _day(decision.latest_on),
        "winner": decision.winner,
        "final_action": decision.final_action.value,
        "undetermined": list(decision.missing),
        "rules": [rule_record(result) for result in decision.rules],
        "holds": [_hold(hold) for hold in decision.holds],
        "suspended_by": [_fact(fact) for fact in decision.suspended_by],
        "alerts": [{"rule": alert.rule, "maximum_on": _day(alert.reached_on)} for alert in decision.alerts],
        "next_change_on": _day(decision.next_change_on),
    }


def rule_record(result: RuleResult) -> dict[str, object]:
    """Return one rule's part: the fact used, its source, and the dates computed."""
    document = result.rule.document
    basis = document.legal_basis or result.rule.policy.document.legal_basis
    record: dict[str, object] = {
        "rule": result.name,
        "version": result.version,
        "policy_digest": result.rule.policy.digest,
        "legal_basis": basis.model_dump(mode="json"),
        "applies": result.applies,
        "trigger": document.trigger,
        "keep": str(document.keep),
        "unknown": list(result.missing),
    }
    if result.ends is not None:
        record |= _ends(result.ends)
    return record


def _ends(ends: Ends) -> dict[str, object]:
    moment = ends.moment
    return {
        "trigger_on": _day(moment.latest_on) if moment.is_known else None,
        "fact": None if moment.fact is None else _fact(moment.fact),
        "keep_used": "forever" if ends.keep is None else str(ends.keep),
        "base_on": _day(ends.base_on),
        "floor_on": _day(ends.floor_on),
        "death": ends.death.value,
        "death_on": _day(ends.death_on),
        "suspended_days": ends.suspended_days,
        "followed_by": None if ends.followed_by is None else _day(ends.followed_by.study_on),
        "basis": ends.basis.value,
        "earliest_end_on": _day(ends.earliest_on),
        "end_on": _day(ends.latest_on),
        "is_forever": ends.earliest_on == FOREVER,
    }


def _fact(fact: Fact) -> dict[str, object]:
    return {
        "kind": fact.kind,
        "from": _day(fact.from_on),
        "to": _day(fact.to_on),
        "assurance": fact.assurance.value,
        "source": fact.source,
        "institution": fact.institution,
    }


def _hold(hold: Hold) -> dict[str, object]:
    return {
        "id": hold.hold_id,
        "owner": hold.owner,
        "reason": hold.reason,
        "reassess_on": _day(hold.reassess_on),
    }


def _day(day: date | None) -> str | None:
    return None if day is None or day in (FOREVER, UNKNOWN_PAST) else day.isoformat()
