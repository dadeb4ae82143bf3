"""Which recorded facts stand: facts supersede, never erase (policy.md, Facts).

The invariant: a record that waits for a second person changes nothing, neither as a fact nor as a correction of
another; and what was known at an instant can always be told again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from retention.policy.subject import Fact


@dataclass(frozen=True, slots=True)
class FactRecord:
    """A fact as recorded: by whom, when, what it takes the place of.

    `fact` is None where the record only withdraws what it supersedes. `needs_approval`: it would bring an end earlier;
    it counts from `approved_at` on.
    """

    record_id: str
    fact: Fact | None
    recorded_by: str
    recorded_at: datetime
    supersedes: frozenset[str] = frozenset()
    needs_approval: bool = False
    approved_at: datetime | None = None

    def counts_at(self, known_at: datetime | None) -> bool:
        """Whether it counts with what is known now (None), or was known at an instant."""
        since = self.approved_at if self.needs_approval else self.recorded_at
        return since is not None and (known_at is None or since <= known_at)


def standing(records: Iterable[FactRecord], known_at: datetime | None = None) -> list[Fact]:
    """Return the facts that stand now, or stood with what was known at `known_at`."""
    counting = [record for record in records if record.counts_at(known_at)]
    superseded = {record_id for record in counting for record_id in record.supersedes}
    return [
        record.fact for record in counting if record.fact is not None and record.record_id not in superseded
    ]


def pending(records: Iterable[FactRecord]) -> list[FactRecord]:
    """Return the records that wait for a second person."""
    return [record for record in records if record.needs_approval and record.approved_at is None]
