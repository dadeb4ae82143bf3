"""Looking whether everything is there on tiers that answer slowly: names and lengths, without a recall.

A walk in order of arrival, begun anew every so often (archive.yaml, `audit: presence`) and continued where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from retention.services.audit.audit import Task
from retention.services.audit.planning import Asked
from retention.services.audit_record import Method
from retention.services.entries.audits import Mark, presence_state
from retention.services.stores import Stores

PAGE = 200
A_RUN = 5000
"""How many packages one run looks at: it has other things to do, and the next one goes on."""


def presence_tasks(stores: Stores, asked: Asked) -> Iterator[Task]:
    """Yield what is next in the walk over a slow tier; nothing when all was seen within its time."""
    if not asked.is_slow:
        return
    mark = mark_of(stores, asked.tier)
    if mark is None or is_over(stores, mark):
        mark = Mark(asked.tier, stores.clock.now(), 0)
    row, audits = mark.row, stores.catalog.audits
    for done in count(0, PAGE):
        rows = audits.on_tier(asked.tier, row, PAGE) if done < A_RUN else []
        found = dict(zip(rows, audits.packages(rows), strict=False))
        for row, package in found.items():
            yield Task(package, Method.METADATA, mark=Mark(asked.tier, mark.began_at, row))
        if len(rows) < PAGE:
            return
        row = rows[-1]


def mark_of(stores: Stores, tier: str) -> Mark | None:
    """Return how far the walk over a tier has come, None before the first."""
    known = stores.catalog.state(presence_state(tier))
    return None if known is None else Mark.parse(tier, known)


def is_over(stores: Stores, mark: Mark) -> bool:
    """Whether a walk has met everything, and its time is over: the next one begins."""
    is_old = mark.began_at + stores.settings.audit.presence <= stores.clock.now()
    return is_old and not stores.catalog.audits.on_tier(mark.tier, mark.row, 1)
