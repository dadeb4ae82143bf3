"""On which tier a study lies at each age, when it moves next, and how often what lies there is read back.

Pure (policy.md, Tiers and Fixity). The plan says where a study should be; that nothing moves to a faster tier unless
somebody recalls it is for the caller, who knows where it is: `is_due` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from retention.policy.case import Case
from retention.policy.facts import Facts
from retention.policy.matching import Compiled, compile_match
from retention.policy.period import Period
from retention.policy.plan_documents import StoragePlan, TierRow
from retention.policy.subject import Study

_NO_FACTS = Facts()


class Stay(NamedTuple):
    """Where a study should be at a day: on `tier` since `since_on` (None: from the start), and what comes next.

    `move_on` is the first day on the next tier; None on the last. `rule` names the row: `plan/tiers` or
    `plan/tiers_for[n]`.
    """

    tier: str
    since_on: date | None
    next_tier: str | None
    move_on: date | None
    rule: str


class CompiledPlan:
    """A storage plan ready to be asked many times."""

    __slots__ = ("_lists", "digest", "document")

    def __init__(self, document: StoragePlan) -> None:
        self.document = document
        self.digest = document.digest()
        self._lists: list[tuple[Compiled | None, str, list[TierRow]]] = [
            (compile_match(entry.match), f"{document.name}/tiers_for[{index}]", entry.tiers)
            for index, entry in enumerate(document.tiers_for)
        ]
        self._lists.append((None, f"{document.name}/tiers", document.tiers))

    def rows_for(self, study: Study, facts: Facts = _NO_FACTS) -> tuple[str, list[TierRow]]:
        """Return the name of the list that counts for a study, and its rows: the first that surely matches."""
        case = Case(study, (), facts)
        for match, name, rows in self._lists:
            if match is None or match.ask(case) is True:
                return name, rows
        raise AssertionError("the plain rows match every study")

    def stay(self, study: Study, at: date, accessed_on: date | None = None, facts: Facts = _NO_FACTS) -> Stay:
        """Return where `study` should be on the day `at`. `accessed_on` is the day of its last access, if any.

        A study whose date and day of ingest are both unknown has no age: it stays on the first tier.
        """
        name, rows = self.rows_for(study, facts)
        start_on = _start_of(rows[0], study)
        since_on: date | None = None
        for row, following in pairwise(rows):
            if start_on is None or row.for_ is None:
                return Stay(row.tier, since_on, following.tier, None, name)
            end_on = row.for_.after(start_on)
            if row.unless_accessed_within is not None and accessed_on is not None:
                end_on = max(end_on, row.unless_accessed_within.after(accessed_on))
            if at < end_on:
                return Stay(row.tier, since_on, following.tier, end_on, name)
            start_on = since_on = end_on
        return Stay(rows[-1].tier, since_on, None, None, name)

    def order_for(self, study: Study, facts: Facts = _NO_FACTS) -> list[str]:
        """Return the tiers a study passes, first to last."""
        return [row.tier for row in self.rows_for(study, facts)[1]]

    def is_due(self, study: Study, tier: str, stay: Stay, facts: Facts = _NO_FACTS) -> bool:
        """Whether a study that lies on `tier` should move to `stay.tier`: only ever to a later one of its rows.

        From a tier its rows do not name it is due: the plan knows better than where it happens to lie.
        """
        order = self.order_for(study, facts)
        return tier not in order or order.index(stay.tier) > order.index(tier)


class FixityDue(NamedTuple):
    """How a tier is checked: `full_every`, the longest time between complete readings of each package; a `sample` (a
    share) of packages read in full every `sample_every`.
    """

    full_every: Period | None
    sample: float | None
    sample_every: Period | None
    is_full_on_recall: bool


def fixity_of(plans: Iterable[StoragePlan], tier: str) -> FixityDue:
    """Return what the plans ask for a tier. Several plans share tiers: the most frequent and the largest counts."""
    asked = [plan.fixity[tier] for plan in plans if tier in plan.fixity]
    full = min((fixity.full for fixity in asked if fixity.full), key=_length, default=None)
    sampled = [fixity for fixity in asked if fixity.sample is not None and fixity.every is not None]
    return FixityDue(
        full,
        max((fixity.sample for fixity in sampled if fixity.sample is not None), default=None),
        min((fixity.every for fixity in sampled if fixity.every is not None), key=_length, default=None),
        any(fixity.on_recall == "full" for fixity in asked),
    )


def _length(period: Period) -> float:
    return period.approximate_days


def _start_of(first: TierRow, study: Study) -> date | None:
    if first.from_ == "ingest_date":
        return study.ingested_on
    return study.study_on or study.ingested_on
