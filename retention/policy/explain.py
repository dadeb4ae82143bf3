"""Decisions as sentences: what is decided, every rule considered with its fact and dates, and what comes next.

Whoever reads them should be able to compute every date again with a calendar and the sentence alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from retention.markup.text import Text, join
from retention.model.states import StudyState
from retention.policy import sentences as say
from retention.policy.case import Moment
from retention.policy.decision import Decision
from retention.policy.match_words import match_words, name_of
from retention.policy.period import FOREVER, Period, plus_days
from retention.policy.plan import Stay
from retention.policy.rules import Basis, DeathEffect, Ends, RuleResult

_NOTHING = Text("", "")


def explain(decision: Decision, stay: Stay | None = None) -> list[Text]:
    """Return the sentences of a decision, the outcome first. `stay`: where the study lies, and moves next."""
    found = [_headline(decision)]
    if decision.state is StudyState.UNDETERMINED:
        found.append(_bound(decision))
    found += [_hold(hold.hold_id, hold.owner, hold.reason, hold.reassess_on) for hold in decision.holds]
    found += [rule_sentence(result) for result in decision.rules]
    found += [say.MAXIMUM.format(rule=alert.rule, day=alert.reached_on) for alert in decision.alerts]
    if decision.state is StudyState.DETERMINED and decision.keep_until is not None:
        found.append(say.FINAL[decision.final_action].format(day=plus_days(decision.keep_until, 1)))
    if decision.next_change_on is not None:
        found.append(say.NEXT_CHANGE.format(day=decision.next_change_on))
    if stay is not None:
        found.append(stay_sentence(stay))
    return found


def rule_sentence(result: RuleResult) -> Text:
    """Return one rule's part in a decision."""
    head = say.RULE.format(rule=result.name, version=result.version)
    if result.ends is None:
        return join([head, say.NO_MATCH.format(match=match_words(result.rule.document.match))], "")
    if result.applies is None:
        head = join([head, say.MAY_MATCH.format(missing=_names(result.missing))], "")
    return join([head, *_computation(result, result.ends)], "")


def stay_sentence(stay: Stay) -> Text:
    """Return where a study lies and when it moves."""
    if stay.next_tier is None or stay.move_on is None:
        return say.STAYS.format(tier=stay.tier)
    return say.MOVES.format(tier=stay.tier, next=stay.next_tier, day=stay.move_on)


def _headline(decision: Decision) -> Text:
    return say.STATE[decision.reason].format(
        until=decision.keep_until,
        winner=decision.winner,
        missing=_names(decision.missing),
        facts=_names({fact.kind for fact in decision.suspended_by}),
    )


def _bound(decision: Decision) -> Text:
    return say.NO_BOUND if decision.latest_on is None else say.BOUND.format(until=decision.latest_on)


def _hold(hold_id: str, owner: str, reason: str, day: object) -> Text:
    form = say.HOLD if day is None else say.HOLD_REASSESS
    return form.format(id=hold_id, owner=owner, reason=reason, day=day)


def _names(words: Iterable[str]) -> Text:
    return join([name_of(word) for word in sorted(words)], ", ")


def _computation(result: RuleResult, ends: Ends) -> Iterator[Text]:
    rule = result.rule.document
    if ends.keep is None:
        yield say.COUNTED_FOREVER
    elif ends.moment.latest_on == FOREVER:
        yield say.UNKNOWN_TRIGGER.format(trigger=name_of(rule.trigger))
        return
    else:
        yield _counted(rule.trigger, ends.moment, ends.keep, ends)
    if ends.followed_by is not None:
        yield say.SHORTER.format(day=ends.followed_by.study_on)
    elif ends.is_maybe_followed:
        yield say.MAYBE_SHORTER
    if rule.floor is not None and ends.floor_on is not None:
        yield _floor(rule.floor.until_age, ends, is_known="birth" not in result.missing)
    if rule.on_death is not None:
        yield _death(rule.on_death.keep_from_death, ends)
    if ends.suspended_days:
        yield say.SUSPENDED_DAYS.format(days=ends.suspended_days)
    yield say.ENDS.format(day=ends.latest_on) if ends.latest_on != FOREVER else say.STOP


def _counted(trigger: str, moment: Moment, keep: Period, ends: Ends) -> Text:
    words = {"trigger": name_of(trigger), "day": moment.latest_on, "keep": keep.words(), "end": ends.base_on}
    if not moment.is_known:
        return say.COUNTED_AT_MOST.format(**words)
    return say.COUNTED.format(**words, source=_source(moment))


def _source(moment: Moment) -> Text:
    if moment.fact is None:
        return say.FROM_STUDY
    if moment.fact.institution is not None:
        return say.FROM_ELSEWHERE
    assurance = say.ASSURANCE[moment.fact.assurance]
    if not moment.fact.source:
        return say.FROM_UNNAMED.format(assurance=assurance)
    return say.FROM_FACT.format(source=moment.fact.source, assurance=assurance)


def _floor(age: int, ends: Ends, *, is_known: bool) -> Text:
    if ends.basis is not Basis.FLOOR:
        return say.FLOOR_IDLE.format(age=age, day=ends.floor_on)
    form = say.FLOOR if is_known else say.FLOOR_AT_MOST
    return form.format(age=age, day=ends.floor_on)


def _death(keep: Period, ends: Ends) -> Text:
    if ends.death is DeathEffect.NONE:
        return _NOTHING
    if ends.death is DeathEffect.OPEN or ends.death_on is None:
        return say.DEATH_OPEN
    words = {"day": ends.death_on, "keep": keep.words(), "end": keep.after(ends.death_on)}
    if ends.death is DeathEffect.IDLE:
        return say.DEATH_IDLE.format(**words)
    if ends.death is DeathEffect.REPLACES:
        return say.DEATH_REPLACES.format(**words)
    return (say.DEATH_LATER if ends.basis is Basis.DEATH else say.DEATH_NOT_LATER).format(**words)
