"""The standing facts of one patient, arranged once and asked many times.

The invariant: what is answered does not depend on the order in which facts were recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from retention.policy.period import FOREVER, UNKNOWN_PAST, plus_days
from retention.policy.subject import Fact
from retention.policy.words import Assurance


class Suspension(NamedTuple):
    """A time during which a policy's clock stood still: both days are part of it."""

    from_on: date
    to_on: date


class Suspensions(NamedTuple):
    """What suspends: `open` is a fact without end (or None), `closed` are in order of opening."""

    open: Fact | None
    closed: tuple[Suspension, ...]


NO_SUSPENSIONS = Suspensions(None, ())


class Facts:
    """Standing (not superseded) facts about a patient of one institution.

    `earliest_on` is the earliest day of any dated fact: the patient was born by then (One rule 5); FOREVER when there
    is none. `are_linked`: a link to another institution's identity carries some of them here.
    """

    __slots__ = (
        "_all",
        "_by_kind",
        "_dated",
        "_own",
        "_suspensions",
        "are_linked",
        "earliest_on",
        "kinds",
    )

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._all = tuple(facts)
        self._by_kind: dict[str, list[Fact]] = {}
        self._dated: dict[str, Fact] = {}
        self._suspensions: dict[frozenset[str], Suspensions] = {}
        self._own: Facts | None = None
        self.earliest_on = FOREVER
        for fact in self._all:
            self._by_kind.setdefault(fact.kind, []).append(fact)
            for day in (fact.from_on, fact.to_on):
                if day is not None and day < self.earliest_on:
                    self.earliest_on = day
        for kind, same in self._by_kind.items():
            latest = _latest(same)
            if latest is not None:
                self._dated[kind] = latest
        self.kinds = frozenset(self._by_kind)
        self.are_linked = any(fact.institution is not None for fact in self._all)

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._all)

    def own(self) -> Facts:
        """Return these without what links carry."""
        if self._own is None:
            mine = [fact for fact in self._all if fact.institution is None]
            self._own = self if len(mine) == len(self._all) else Facts(mine)
        return self._own

    def latest(self, kind: str) -> Fact | None:
        """Return the latest dated fact of a kind (One rule 10)."""
        return self._dated.get(kind)

    def has_undated(self, kind: str) -> bool:
        """Whether facts of this kind stand, none of them dated."""
        return kind in self.kinds and kind not in self._dated

    def latest_visit(self, entity: str | None) -> Fact | None:
        """Return the latest dated visit to the institution itself, or to any of `entity` when given."""
        latest = self._dated.get("last_visit")
        if latest is None or latest.institution is None:
            return latest
        return _latest(
            fact
            for fact in self._by_kind["last_visit"]
            if fact.institution is None or (entity is not None and fact.entity == entity)
        )

    def suspensions(self, kinds: frozenset[str]) -> Suspensions:
        """Return what facts of these kinds suspend. One without a beginning counts from the trigger on."""
        if self.kinds.isdisjoint(kinds):
            return NO_SUSPENSIONS
        known = self._suspensions.get(kinds)
        if known is None:
            facts = [fact for kind in kinds for fact in self._by_kind.get(kind, ())]
            unended = [fact for fact in facts if fact.to_on is None]
            known = self._suspensions[kinds] = Suspensions(
                min(unended, key=_opening, default=None),
                tuple(sorted(Suspension(*_days(fact)) for fact in facts if fact.to_on is not None)),
            )
        return known


def extended(end_on: date, trigger_on: date, closed: tuple[Suspension, ...]) -> date:
    """Return `end_on` with suspended days added (One rule 7).

    Counted are the days after the trigger, each once, of every suspension that began on or before the end as extended
    so far.
    """
    counted_to = trigger_on
    for suspension in closed:
        if suspension.from_on > end_on:
            break
        before_first = max(plus_days(suspension.from_on, -1), counted_to)
        days = (suspension.to_on - before_first).days
        if days > 0:
            end_on = plus_days(end_on, days)
            counted_to = suspension.to_on
    return end_on


def _latest(facts: Iterable[Fact]) -> Fact | None:
    return max((fact for fact in facts if fact.on is not None), key=_recency, default=None)


def _recency(fact: Fact) -> tuple[date, bool, date, str, str]:
    on = fact.on or UNKNOWN_PAST
    began_on = fact.from_on or UNKNOWN_PAST
    return on, fact.assurance is Assurance.VERIFIED, began_on, fact.source, fact.institution or ""


def _opening(fact: Fact) -> tuple[date, str, str]:
    return fact.from_on or UNKNOWN_PAST, fact.kind, fact.source


def _days(fact: Fact) -> tuple[date, date]:
    return fact.from_on or UNKNOWN_PAST, fact.to_on or FOREVER
