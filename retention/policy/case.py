"""One study in the light of what is known: every unknown is a range of days or an open question.

The evaluation asks a case; where the answer depends on what nobody knows, it tries narrower cases (`worlds.py`) in
which the question is settled one way and the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from retention.policy.facts import Facts
from retention.policy.period import FOREVER, UNKNOWN_PAST
from retention.policy.subject import Fact, Study

Truth = bool | None
Question = tuple[object, ...]
_NOTHING_ASSUMED: Mapping[Question, bool] = {}


class Moment(NamedTuple):
    """The day a rule counts from: known when both ends are equal. `fact` says it, else a study or nobody does."""

    earliest_on: date
    latest_on: date
    fact: Fact | None = None

    @property
    def is_known(self) -> bool:
        return self.earliest_on == self.latest_on


NEVER_SAID = Moment(UNKNOWN_PAST, FOREVER)


class Case:
    """A study, the facts and the patient's other studies; birth and study date as ranges.

    `assumed` answers questions about attributes nobody knows. `dating` is the fact that dates the study, if one does.
    """

    __slots__ = (
        "assumed",
        "birth",
        "birth_max",
        "birth_min",
        "dating",
        "facts",
        "others",
        "others_on",
        "study",
        "study_max",
        "study_min",
    )

    def __init__(self, study: Study, others: Sequence[Study], facts: Facts) -> None:
        self.study = study
        self.others = others
        self.facts = facts
        self.assumed = _NOTHING_ASSUMED
        self.others_on: dict[str, tuple[date, date, bool]] = {}
        self.dating = _dating(study, facts.latest("study_date"))
        on = study.study_on if self.dating is None else self.dating.on
        # A usable study date is one on or before the day of ingest (policy.md, Dates 3).
        self.study_min, self.study_max = _range(on, study.ingested_on)
        self.birth = facts.latest("birth")
        if self.birth is not None and self.birth.on is not None:
            self.birth_min = self.birth_max = self.birth.on
        else:
            self.birth_min, self.birth_max = UNKNOWN_PAST, self._born_by()

    def _born_by(self) -> date:
        born_by = min(self.facts.earliest_on, self.study_max)
        for other in self.others:
            on = other.study_on or other.ingested_on
            if on is not None and on < born_by:
                born_by = on
        return born_by

    def narrowed(
        self, birth: tuple[date, date], study: tuple[date, date], assumed: Mapping[Question, bool]
    ) -> Case:
        """Return the same case where less is open."""
        case = Case.__new__(Case)
        case.study, case.others, case.facts = self.study, self.others, self.facts
        case.birth, case.dating, case.others_on = self.birth, self.dating, self.others_on
        case.birth_min, case.birth_max = birth
        case.study_min, case.study_max = study
        case.assumed = assumed
        return case

    def of_other(self, other: Study) -> Case:
        """Return the case of another study of the same patient."""
        case = self.narrowed(
            (self.birth_min, self.birth_max), _range(other.study_on, other.ingested_on), _NOTHING_ASSUMED
        )
        case.study, case.others, case.dating, case.others_on = other, (), None, {}
        return case

    def in_scope(self, other: Study, *, is_entity: bool) -> bool:
        """Whether another study counts for a rule of this scope (institution or entity)."""
        mine = self.study
        if other.institution == mine.institution:
            return True
        return is_entity and mine.entity is not None and other.entity == mine.entity

    def last_study(self, *, is_entity: bool) -> tuple[date, date, bool]:
        """Return the range of the latest date among this study and the others in scope.

        The last is whether some of them has neither a date nor a day of ingest, and so no part in the range.
        """
        scope = "entity" if is_entity else "institution"
        known = self.others_on.get(scope)
        if known is None:
            known = self.others_on[scope] = self._last_other(is_entity=is_entity)
        earliest, latest, is_unbounded = known
        if self.study_max == FOREVER:
            return max(earliest, self.study_min), latest, True
        return max(earliest, self.study_min), max(latest, self.study_max), is_unbounded

    def _last_other(self, *, is_entity: bool) -> tuple[date, date, bool]:
        earliest, latest, is_unbounded = UNKNOWN_PAST, UNKNOWN_PAST, False
        for other in self.others:
            if self.in_scope(other, is_entity=is_entity):
                on = other.study_on
                earliest = max(earliest, on or UNKNOWN_PAST)
                latest = max(latest, on or other.ingested_on or UNKNOWN_PAST)
                is_unbounded = is_unbounded or (on is None and other.ingested_on is None)
        return earliest, latest, is_unbounded


def _dating(study: Study, fact: Fact | None) -> Fact | None:
    """Return the fact that says when the study was made, where the study does not, or says an earlier day."""
    if fact is None or fact.on is None or (study.ingested_on is not None and fact.on > study.ingested_on):
        return None
    return fact if study.study_on is None or fact.on > study.study_on else None


def _range(on: date | None, no_later_than: date | None) -> tuple[date, date]:
    return (UNKNOWN_PAST, no_later_than or FOREVER) if on is None else (on, on)
