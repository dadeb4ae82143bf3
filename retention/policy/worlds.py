"""What nobody knows, settled every way it can be: the earliest and the latest outcome of all.

"A missing one matters only if some value of it could change the outcome" (policy.md, One rule 5). So the ranges of
birth and study date are cut at the days where a match turns, and each question about an unknown attribute is answered
both ways; in each narrow case every rule applies or does not. Where that would be too many cases, rules that may apply
count as independent of each other, which only makes the latest outcome later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

from retention.policy.case import Case
from retention.policy.period import FOREVER, UNKNOWN_PAST, Period, age_reached_by, plus_days
from retention.policy.rules import CompiledRule, RuleResult

CASES = 256
_AFTER_ALL_NAMES = "~"

Range = tuple[date, date]


class Outcomes(NamedTuple):
    """The range of ends over everything unknown, and the rule behind the latest one (None: no rule)."""

    earliest_on: date
    latest_on: date
    latest_rule: CompiledRule | None


_KEPT_FOR_EVER = Outcomes(FOREVER, FOREVER, None)


def latest_of(results: Iterable[RuleResult]) -> Outcomes:
    """Return the outcome of rules that all apply, in the order of their names: the first wins ties (One rule 4)."""
    earliest, latest, winner = UNKNOWN_PAST, UNKNOWN_PAST, None
    for rule, _, ends, _ in results:
        if ends is None:
            continue
        earliest = max(earliest, ends.earliest_on)
        if winner is None or ends.latest_on > latest:
            latest, winner = ends.latest_on, rule
    return _KEPT_FOR_EVER if winner is None else Outcomes(earliest, latest, winner)


def possible_outcomes(case: Case, results: Sequence[RuleResult]) -> Outcomes:
    """Return the outcomes of rules of which at least one only may apply."""
    rules = [result.rule for result in results if result.applies is not False]
    cases = _cases(case, rules)
    if cases is None:
        return _independent(results)
    earliest, latest = FOREVER, None
    for narrow in cases:
        answers = [(rule, rule.match.ask(narrow)) for rule in rules]
        found = latest_of(
            RuleResult(rule, answer, rule.ends(narrow)) for rule, answer in answers if answer is not False
        )
        earliest = min(earliest, found.earliest_on)
        if latest is None or _order(found) < _order(latest):
            latest = found
    return _KEPT_FOR_EVER if latest is None else latest._replace(earliest_on=earliest)


def _order(outcome: Outcomes) -> tuple[int, str, int]:
    """The latest first; then the smallest name, then the newest version; no rule at all last."""
    rule = outcome.latest_rule
    if rule is None:
        return -outcome.latest_on.toordinal(), _AFTER_ALL_NAMES, 0
    return -outcome.latest_on.toordinal(), rule.key, -rule.policy.document.version


def _independent(results: Sequence[RuleResult]) -> Outcomes:
    """Bound the outcomes as if each rule that may apply did so on its own."""
    certain = latest_of(result for result in results if result.applies)
    anyhow = latest_of(results)
    if certain.latest_rule is None:
        earliest = min(
            (result.ends.earliest_on for result in results if result.ends is not None), default=FOREVER
        )
        return Outcomes(earliest, FOREVER, None)
    return anyhow._replace(earliest_on=certain.earliest_on)


def _cases(case: Case, rules: Sequence[CompiledRule]) -> list[Case] | None:
    """Return narrow cases that together are all the case can be, or None if they are too many."""
    atoms = {
        question: ask for rule in rules for question, ask in rule.match.atoms.items() if ask(case) is None
    }
    births = _pieces((case.birth_min, case.birth_max), _birth_cuts(case, rules))
    studies = _pieces((case.study_min, case.study_max), _study_cuts(case, rules))
    found: list[Case] = []
    for birth, study in product(births, studies):
        narrow = case.narrowed(birth, study, {})
        questions = [question for question, ask in atoms.items() if ask(narrow) is None]
        if len(found) + (1 << len(questions)) > CASES:
            return None
        if questions:
            found += [
                case.narrowed(birth, study, dict(zip(questions, answers, strict=True)))
                for answers in product((True, False), repeat=len(questions))
            ]
        else:
            found.append(narrow)
    return found


def _birth_cuts(case: Case, rules: Sequence[CompiledRule]) -> Iterator[date]:
    """Yield the first birth dates that are too late for an age some match asks for."""
    if case.birth_min == case.birth_max:
        return
    for rule in rules:
        for of, years in rule.match.ages:
            on = (case.study_min, case.study_max) if of == "study" else rule.moment(case)[:2]
            if on[0] == on[1]:
                yield plus_days(age_reached_by(on[0], years), 1)


def _study_cuts(case: Case, rules: Sequence[CompiledRule]) -> Iterator[date]:
    """Yield the days from which a match on the study date, or on the age then, turns."""
    for rule in rules:
        yield from rule.match.days
        if case.birth_min == case.birth_max:
            for of, years in rule.match.ages:
                if of == "study":
                    yield Period.years(years).after(case.birth_min)


def _pieces(whole: Range, cuts: Iterable[date]) -> list[Range]:
    """Cut a range before each of the days."""
    first, last = whole
    if first == last:
        return [whole]
    pieces: list[Range] = []
    for cut in sorted({cut for cut in cuts if first < cut <= last}):
        pieces.append((first, plus_days(cut, -1)))
        first = cut
    return [*pieces, (first, last)]
