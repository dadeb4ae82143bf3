"""From a match as written to a question that is answered true, false or unknown.

Kleene's logic: an unknown attribute leaves the answer unknown unless the rest decides it. A compiled match knows which
questions it asks and at which days its answer may turn, so that unknown ones can be settled one way and the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fnmatch import translate

from retention.policy.case import Case, Moment, Question, Truth
from retention.policy.documents import AgeRange, DayRange, Match
from retention.policy.period import Period
from retention.policy.subject import Words, fold

Ask = Callable[[Case], Truth]
WhenTriggered = Callable[[Case], Moment]

_ONE_DAY = timedelta(days=1)
_SETS: dict[str, Callable[[Case], Words | None]] = {
    "modality": lambda case: case.study.modalities,
    "sop_class": lambda case: case.study.sop_classes,
    "body_part": lambda case: case.study.body_parts,
    "manufacturer": lambda case: case.study.manufacturers,
}


@dataclass(slots=True)
class Compiled:
    """A match ready to be asked. `ask` is None for one that matches every study.

    `atoms` are its questions by name. `ages` are the ages it asks for, and of when; `days` those on which an answer
    about the study date turns.
    """

    ask: Ask
    is_always: bool = False
    atoms: dict[Question, Ask] = field(default_factory=dict)
    ages: set[tuple[str, int]] = field(default_factory=set)
    days: set[date] = field(default_factory=set)


def compile_match(match: Match, when_triggered: WhenTriggered | None = None, trigger: str = "") -> Compiled:
    """Return the compiled match; `when_triggered` is the rule's trigger, for `age_at_trigger`."""
    compiled = Compiled(ask=_always)
    parts = list(_parts(match, compiled, when_triggered, trigger))
    compiled.ask = _all(parts)
    compiled.is_always = not parts
    return compiled


def _parts(match: Match, compiled: Compiled, when: WhenTriggered | None, trigger: str) -> Iterator[Ask]:
    """Yield the questions that must all be answered true; none for what is always true."""

    def inner(part: Match) -> Ask:
        return _all(list(_parts(part, compiled, when, trigger)))

    for part in match.all or ():
        yield from _parts(part, compiled, when, trigger)
    if match.one_of is not None:
        yield _one_of([inner(part) for part in match.one_of])
    if match.not_ is not None:
        yield _not(inner(match.not_))
    for key, attribute in _SETS.items():
        words: list[str] | None = getattr(match, key)
        if words is not None:
            yield _atom(compiled, (key, *sorted({fold(word) for word in words})), _has_any(attribute, words))
    yield from _texts(match, compiled)
    if match.institution is not None:
        yield _atom(
            compiled, ("institution", *sorted(match.institution)), _institution(frozenset(match.institution))
        )
    if match.fact is not None:
        yield _fact(frozenset(match.fact))
    if match.study_date is not None:
        yield from _study_date(match.study_date, compiled)
    if match.age_at_study is not None:
        yield from _ages(match.age_at_study, compiled, "study", None)
    if match.age_at_trigger is not None and when is not None:
        yield from _ages(match.age_at_trigger, compiled, trigger, when)


def _always(_case: Case) -> Truth:
    return True


def _all(parts: list[Ask]) -> Ask:
    if not parts:
        return _always
    if len(parts) == 1:
        return parts[0]

    def ask(case: Case) -> Truth:
        answer: Truth = True
        for part in parts:
            one = part(case)
            if one is False:
                return False
            if one is None:
                answer = None
        return answer

    return ask


def _one_of(parts: list[Ask]) -> Ask:
    def ask(case: Case) -> Truth:
        answer: Truth = False
        for part in parts:
            one = part(case)
            if one is True:
                return True
            if one is None:
                answer = None
        return answer

    return ask


def _not(part: Ask) -> Ask:
    def ask(case: Case) -> Truth:
        answer = part(case)
        return None if answer is None else not answer

    return ask


def _atom(compiled: Compiled, question: Question, known: Ask) -> Ask:
    """Return the question with what a case assumes where nobody knows; equal questions get equal answers."""

    def ask(case: Case) -> Truth:
        answer = known(case)
        return case.assumed.get(question) if answer is None else answer

    compiled.atoms[question] = ask
    return ask


def _has_any(attribute: Callable[[Case], Words | None], words: Iterable[str]) -> Ask:
    wanted = frozenset(fold(word) for word in words)

    def ask(case: Case) -> Truth:
        have = attribute(case)
        if have is None:
            return None
        if not wanted.isdisjoint(have):
            return True
        return None if None in have else False

    return ask


def _texts(match: Match, compiled: Compiled) -> Iterator[Ask]:
    if match.department is not None:
        departments = frozenset(fold(word) for word in match.department)

        def is_department(case: Case) -> Truth:
            department = case.study.department
            return None if department is None else department in departments

        yield _atom(compiled, ("department", *sorted(departments)), is_department)
    if match.study_description is not None:
        globs = sorted({fold(glob) for glob in match.study_description})
        pattern = re.compile("|".join(translate(glob) for glob in globs))

        def is_described(case: Case) -> Truth:
            description = case.study.description
            return None if description is None else pattern.match(description) is not None

        yield _atom(compiled, ("study_description", *globs), is_described)


def _institution(names: frozenset[str]) -> Ask:
    def ask(case: Case) -> Truth:
        institution = case.study.institution
        return None if institution is None else institution in names

    return ask


def _fact(kinds: frozenset[str]) -> Ask:
    def ask(case: Case) -> Truth:
        return not kinds.isdisjoint(case.facts.kinds)

    return ask


def _study_date(days: DayRange, compiled: Compiled) -> Iterator[Ask]:
    for bound, is_from in ((days.from_, True), (days.before, False)):
        if bound is None:
            continue
        compiled.days.add(bound)
        # "before D" is "not from D": one question, so that nobody's date is both or neither.
        since = _atom(compiled, ("study_date", bound), _since(bound))
        yield since if is_from else _not(since)


def _since(day: date) -> Ask:
    def ask(case: Case) -> Truth:
        if case.study_min >= day:
            return True
        return False if case.study_max < day else None

    return ask


def _ages(ages: AgeRange, compiled: Compiled, of: str, when: WhenTriggered | None) -> Iterator[Ask]:
    for years, is_from in ((ages.from_, True), (ages.below, False)):
        if years is None:
            continue
        compiled.ages.add((of, years))
        reached = _atom(compiled, ("age", of, years), _reached(years, when))
        yield reached if is_from else _not(reached)


def _reached(years: int, when: WhenTriggered | None) -> Ask:
    """Return whether an age was reached by the day of a rule's trigger, or of the study where that is None."""
    age = Period.years(years)

    def ask(case: Case) -> Truth:
        if years == 0:
            return True
        earliest_on, latest_on = (case.study_min, case.study_max) if when is None else when(case)[:2]
        if age.after(case.birth_max) <= earliest_on:
            return True
        return False if age.after(case.birth_min) > latest_on else None

    return ask
