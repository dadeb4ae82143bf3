"""What would have to be known for a rule to be certain, in the words of the language."""

from __future__ import annotations

from retention.policy.case import Case, Question, Truth
from retention.policy.rules import CompiledRule, DeathEffect, Ends

LATER_STUDIES = "later_studies"


def missing_of(rule: CompiledRule, case: Case, applies: Truth, ends: Ends) -> tuple[str, ...]:
    """Return the names of facts and attributes that this rule asks for and nobody knows."""
    missing: set[str] = set()
    if applies is None:
        for question, ask in rule.match.atoms.items():
            if ask(case) is None:
                missing |= _behind(question, rule, case, ends)
    if ends.is_known:
        return tuple(sorted(missing))
    if not ends.moment.is_known:
        missing.add(rule.document.trigger)
    if _is_birth_unknown(case) and _floor_could_count(ends):
        missing.add("birth")
    if ends.death is DeathEffect.OPEN and ends.death_on is None:
        missing.add("death")
    if ends.is_maybe_followed:
        missing.add(LATER_STUDIES)
    return tuple(sorted(missing))


def _behind(question: Question, rule: CompiledRule, case: Case, ends: Ends) -> set[str]:
    """Return what leaves a question of a match open."""
    if question[0] != "age":
        return {str(question[0])}
    missing = {"birth"} if _is_birth_unknown(case) else set()
    if question[1] == "study":
        return missing | ({"study_date"} if case.study_min != case.study_max else set())
    return missing | (set() if ends.moment.is_known else {rule.document.trigger})


def _is_birth_unknown(case: Case) -> bool:
    return case.birth_min != case.birth_max


def _floor_could_count(ends: Ends) -> bool:
    if ends.floor_on is None or ends.keep is None:
        return False
    return ends.floor_on > ends.keep.after(ends.moment.earliest_on)
