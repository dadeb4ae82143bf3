"""The evaluation: (study, later studies, policies, facts, holds, at) to a decision, as policy.md defines it.

Pure, and monotone where it must be: for fixed facts and effective policies what has expired stays expired; a hold more,
or a rule more where some rule matches already, never ends anything earlier; an unknown never destroys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from retention.model.states import StudyState
from retention.policy.case import Case, Truth
from retention.policy.decision import Decision, MaximumAlert, Reason
from retention.policy.enacted import PolicySet
from retention.policy.facts import Facts
from retention.policy.missing import missing_of
from retention.policy.period import FOREVER, UNKNOWN_PAST, plus_days
from retention.policy.rules import CompiledRule, RuleResult
from retention.policy.subject import Fact, Hold, Study
from retention.policy.words import FinalAction
from retention.policy.worlds import Outcomes, latest_of, possible_outcomes


def evaluate(
    study: Study,
    later_studies: Sequence[Study],
    policies: PolicySet,
    facts: Facts | Iterable[Fact],
    holds: Iterable[Hold],
    at: date,
) -> Decision:
    """Return what `policies` and `holds` say of `study` on the day `at` (in the institution's time zone).

    `later_studies` are the patient's other studies; which of them are later and in scope is judged here, and earlier
    ones among them only help to bound an unknown birth date. `facts` are the patient's standing facts. `holds`
    are those that cover the study. `at` changes nothing but which versions count and whether the latest possible
    outcome has passed: facts dated after it are known, and count.
    """
    known = facts if isinstance(facts, Facts) else Facts(facts)
    holding = tuple(holds)
    decision = _decide(Case(study, later_studies, known), policies, holding, at)
    if not known.are_linked and not any(other.institution != study.institution for other in later_studies):
        return decision
    # What a link to another institution's identity carries never shortens: without it nothing may last longer.
    own = [other for other in later_studies if other.institution == study.institution]
    without = _decide(Case(study, own, known.own()), policies, holding, at)
    return _lasting_longer(decision, without)


def _lasting_longer(decision: Decision, without: Decision) -> Decision:
    chosen = without if without.lasts_until > decision.lasts_until else decision
    days = [day for day in (decision.next_change_on, without.next_change_on) if day is not None]
    return chosen._replace(next_change_on=min(days, default=None))


_DECIDED = (StudyState.DETERMINED, StudyState.PERMANENT)


def _decide(case: Case, policies: PolicySet, holds: tuple[Hold, ...], at: date) -> Decision:
    results: list[RuleResult] = []
    matching: list[RuleResult] = []
    is_certain = True
    for rule in policies.rules_for(case.study.ingested_on, at):
        applies = rule.match.ask(case)
        if applies is False:
            results.append(rule.rejected)
            continue
        ends = rule.ends(case)
        is_certain = is_certain and applies is True
        is_clear = applies is True and ends.earliest_on == ends.latest_on
        result = RuleResult(rule, applies, ends, () if is_clear else missing_of(rule, case, applies, ends))
        results.append(result)
        matching.append(result)
    outcome = latest_of(matching) if is_certain else possible_outcomes(case, matching)
    suspended_by = _open_suspensions(case, matching)
    is_seen = _seen_after_death(case)
    if is_seen is None:
        # Were it made after the death, facts would contradict each other: nothing then says when it may go.
        outcome = outcome._replace(latest_on=FOREVER)
    state, reason = _state(outcome, holds, suspended_by, at, is_seen_after_death=is_seen)
    if reason is Reason.NO_RULE and not results:
        reason = Reason.NO_POLICY
    is_over = state in _DECIDED
    alerts, next_alert_on = _maxima(matching, at)
    is_open = outcome.earliest_on != outcome.latest_on
    days = [policies.next_change_on(at), next_alert_on]
    if is_open and at <= outcome.latest_on < FOREVER:
        days.append(plus_days(outcome.latest_on, 1))
    return Decision(
        at=at,
        state=state,
        reason=reason,
        keep_until=outcome.latest_on if state is StudyState.DETERMINED else None,
        latest_on=None if outcome.latest_on == FOREVER else outcome.latest_on,
        winner_result=_result_of(outcome.latest_rule, matching) if is_over else None,
        rules=tuple(results),
        final_action=_final_action(matching),
        missing=_missing(matching, outcome, is_seen) if state is StudyState.UNDETERMINED else (),
        holds=holds,
        suspended_by=suspended_by,
        alerts=alerts,
        next_change_on=min((day for day in days if day is not None), default=None),
    )


def _state(
    outcome: Outcomes,
    holds: tuple[Hold, ...],
    suspended_by: tuple[Fact, ...],
    at: date,
    *,
    is_seen_after_death: Truth,
) -> tuple[StudyState, Reason]:
    """Return the first state that applies (policy.md, States)."""
    if holds:
        return StudyState.HELD, Reason.HOLD
    if is_seen_after_death:
        return StudyState.CONFLICT, Reason.VISIT_AFTER_DEATH
    if suspended_by:
        return StudyState.SUSPENDED, Reason.SUSPENDED
    return _state_by_rules(outcome, at)


def _state_by_rules(outcome: Outcomes, at: date) -> tuple[StudyState, Reason]:
    if outcome.earliest_on == FOREVER:
        return StudyState.PERMANENT, Reason.NO_RULE if outcome.latest_rule is None else Reason.KEEP_FOREVER
    if outcome.earliest_on == outcome.latest_on:
        return StudyState.DETERMINED, Reason.RULES
    if outcome.latest_on < at:
        return StudyState.DETERMINED, Reason.LATEST_POSSIBLE
    return StudyState.UNDETERMINED, Reason.MISSING


def _seen_after_death(case: Case) -> Truth:
    """Whether a visit or a study is after the patient's death (One rule 6).

    None if an undated study, which came in after the death, may be.
    """
    death = case.facts.latest("death")
    if death is None or death.on is None:
        return False
    visit = case.facts.latest("last_visit")
    if case.study_min > death.on or (visit is not None and visit.on is not None and visit.on > death.on):
        return True
    is_open = death.on < case.study_max < FOREVER
    for other in case.others:
        if other.study_on is None:
            is_open = is_open or (other.ingested_on or UNKNOWN_PAST) > death.on
        elif other.study_on > death.on:
            return True
    return None if is_open else False


def _open_suspensions(case: Case, matching: Sequence[RuleResult]) -> tuple[Fact, ...]:
    found: list[Fact] = []
    for result in matching:
        open_fact = result.rule.policy.suspensions(case).open
        if open_fact is not None and open_fact not in found:
            found.append(open_fact)
    return tuple(found)


def _final_action(matching: Sequence[RuleResult]) -> FinalAction:
    """Destroy only if every policy that matches, or may, says so; review if none says keep."""
    actions = [result.rule.policy.final_action for result in matching]
    if not actions or FinalAction.KEEP in actions:
        return FinalAction.KEEP
    return FinalAction.REVIEW if FinalAction.REVIEW in actions else FinalAction.DESTROY


def _maxima(matching: Sequence[RuleResult], at: date) -> tuple[tuple[MaximumAlert, ...], date | None]:
    """Return the maxima reached, and the day the next one will be (One rule 9)."""
    reached: list[MaximumAlert] = []
    coming: date | None = None
    for rule, applies, ends, _ in matching:
        maximum = rule.document.maximum
        if maximum is None or ends is None or applies is not True or not ends.moment.is_known:
            continue
        on = maximum.after(ends.moment.latest_on)
        if on <= at:
            reached.append(MaximumAlert(rule.key, on))
        elif coming is None or on < coming:
            coming = on
    return tuple(reached), coming


def _result_of(rule: CompiledRule | None, matching: Sequence[RuleResult]) -> RuleResult | None:
    for result in matching:
        if result.rule is rule:
            return result
    return None


def _missing(
    matching: Sequence[RuleResult], outcome: Outcomes, is_seen_after_death: Truth
) -> tuple[str, ...]:
    """Return what is unknown and could change the outcome."""
    found = {
        name
        for result in matching
        if result.ends is not None and result.ends.latest_on > outcome.earliest_on
        for name in result.missing
    }
    return tuple(sorted(found | ({"study_date"} if is_seen_after_death is None else set())))
