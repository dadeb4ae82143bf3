"""Why one study is kept, until when, and what comes next: today, at another day, or with what was known then.

Only reads, so any day may be asked about on any archive. Nothing is taken from what the catalog remembers of earlier
decisions: it is decided anew, from the same inputs as the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from retention.markup.text import Text
from retention.policy.decision import Decision
from retention.policy.period import plus_days
from retention.policy.plan import Stay
from retention.policy.sentences import NEXT_ACTION
from retention.policy.words import FinalAction
from retention.services.decision_inputs import facts_of, inputs_of
from retention.services.decisions import governed, judge
from retention.services.patients_read import patients_of
from retention.services.stores import Stores


@dataclass(frozen=True, slots=True)
class NextAction:
    """What happens next to a study by policy and plan, and the first day on which it can."""

    sentence: Text
    on: date


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision about a study with where it lies (`tier_now`: the slowest tier) and what comes next."""

    study_uid: str
    institution: str
    decision: Decision
    stay: Stay | None
    tier_now: str | None
    next_action: NextAction | None


def explain_study(
    stores: Stores,
    study_uid: str,
    institution: str | None = None,
    *,
    at: date | None = None,
    known_at: datetime | None = None,
) -> Explained:
    """Decide about one study, with every reason.

    Raises NotFoundError, or UsageError when several institutions hold it and none is named.
    """
    held = stores.catalog.study(study_uid, institution)
    owner = held.summary.institution_id
    order = list(stores.settings.tiers)
    tiers = sorted(held.summary.tiers, key=lambda tier: order.index(tier) if tier in order else len(order))
    with stores.catalog.deciding() as step:
        row = step.row_of(owner, study_uid)
        bounds = governed(step)
        (patient,) = patients_of(step, bounds, [row])
        (facts,) = facts_of([patient], known_at)
    binding = bounds[owner]
    day = at or binding.day(known_at or stores.clock.now())
    inputs = inputs_of(patient, binding, facts)
    (judged,) = judge(inputs, binding, day, frozenset([row]))
    tier_now = tiers[-1] if tiers else None
    order_of_plan = () if binding.plan is None else binding.plan.order_for(inputs.study_at(row), inputs.facts)
    action = next_action(judged.decision, judged.stay, tier_now, order_of_plan)
    return Explained(study_uid, held.summary.institution, judged.decision, judged.stay, tier_now, action)


def next_action(
    decision: Decision, stay: Stay | None, tier_now: str | None, order: Sequence[str]
) -> NextAction | None:
    """Return the first thing that time alone brings about: a move to another tier, or the end.

    `order` has the tiers of the plan, first to last: nothing moves back to a faster one.
    """
    found: list[NextAction] = []
    if stay is not None:
        place = order.index(tier_now) if tier_now in order else -1
        for tier, day in ((stay.tier, stay.since_on or decision.at), (stay.next_tier, stay.move_on)):
            if tier is not None and day is not None and order.index(tier) > place:
                found.append(NextAction(NEXT_ACTION["move"].format(tier=tier, day=day), day))
                break
    if decision.keep_until is not None and decision.final_action is not FinalAction.KEEP:
        day = plus_days(decision.keep_until, 1)
        found.append(NextAction(NEXT_ACTION[decision.final_action.value].format(day=day), day))
    return min(found, key=lambda action: action.on, default=None)
