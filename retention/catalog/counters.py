"""The sums over the journal: asking for them, and adding to them. Each entry is counted once, whoever applies it again.

The sum named ENTRIES is how many entries are counted: those before that number are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from retention.catalog.counter_tables import COUNTER
from retention.catalog.database import Database

ENTRIES = "entries"


@dataclass(frozen=True, slots=True)
class Count:
    """How often, and when last."""

    total: int
    last_at: datetime


class Counters:
    """Asks for the sums."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, Count]:
        """Return every sum by its name; what never happened is not among them."""
        with self._database.read() as connection:
            rows = connection.execute(select(COUNTER.c.name, COUNTER.c.total, COUNTER.c.last_at))
            return {name: Count(int(total), last_at) for name, total, last_at in rows}


class CounterWriting:
    """Adds to the sums, in one step of the committer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def counted(self) -> int:
        """How many entries are counted: the number of the next."""
        wanted = select(COUNTER.c.total).where(COUNTER.c.name == ENTRIES)
        return int(self._connection.execute(wanted).scalar() or 0)

    def add(self, counts: Mapping[str, Count]) -> None:
        """Add to the sums, and make those that are new."""
        for name, count in counts.items():
            known = update(COUNTER).where(COUNTER.c.name == name)
            done = self._connection.execute(
                known.values(total=COUNTER.c.total + count.total, last_at=count.last_at)
            )
            if not done.rowcount:
                self._connection.execute(
                    insert(COUNTER).values(name=name, total=count.total, last_at=count.last_at)
                )
