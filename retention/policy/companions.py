"""The patient's other studies, reduced to those an evaluation can tell apart.

The invariant: a decision made with the reduced ones equals the one made with all. Unless some rule asks what followed,
other studies matter only by the extremes of their days, so a patient with a thousand studies costs a thousand
evaluations and not a million comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from heapq import nlargest, nsmallest

from retention.policy.enacted import PolicySet
from retention.policy.period import FOREVER, UNKNOWN_PAST
from retention.policy.subject import Study

_EXTREMES = 2  # one may be the study that is decided, which is no other study


class Companions:
    """All studies of one patient in one institution; `of` gives each of them, by its place, its others.

    `elsewhere`: studies of other institutions of the entity.
    """

    __slots__ = ("_chosen", "_studies", "elsewhere")

    def __init__(
        self, studies: Sequence[Study], policies: PolicySet, elsewhere: Iterable[Study] = ()
    ) -> None:
        self._studies = studies
        every = range(len(studies))
        self._chosen: Sequence[int] = every if policies.look_at_followers else extremes(studies)
        self.elsewhere = tuple(elsewhere)

    def of(self, place: int) -> Sequence[Study]:
        """Return the other studies that count for a decision about the study at `place`."""
        return [*(self._studies[other] for other in self._chosen if other != place), *self.elsewhere]


def extremes(studies: Sequence[Study]) -> Sequence[int]:
    """Return the places of those that can be the first or the last, as far as anybody knows."""
    every = range(len(studies))
    if len(studies) <= _EXTREMES:
        return every

    def by(order: Callable[[Study], date]) -> Callable[[int], date]:
        return lambda place: order(studies[place])

    undated = [place for place in every if studies[place].study_on is None]
    chosen = {
        *nsmallest(_EXTREMES, every, key=by(_known_by)),
        *nlargest(_EXTREMES, every, key=by(_studied)),
        *nlargest(_EXTREMES, undated, key=by(_received)),
        *[place for place in undated if studies[place].ingested_on is None][:_EXTREMES],
    }
    return sorted(chosen)


def _known_by(study: Study) -> date:
    return study.study_on or study.ingested_on or FOREVER


def _studied(study: Study) -> date:
    return study.study_on or UNKNOWN_PAST


def _received(study: Study) -> date:
    return study.ingested_on or UNKNOWN_PAST
