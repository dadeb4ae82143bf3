"""How often each thing happened, and when last: sums over the journal, so that nobody reads it to count.

Statistics, and no evidence: nothing is decided by them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, String, Table

from retention.catalog.columns import Instant
from retention.catalog.declaring import METADATA, Base, Field
from retention.catalog.guards import forward


class CounterRow(Base, table=True):
    """One sum. `last_at` is the instant of the last entry that added to it."""

    __tablename__ = "counter"
    __table_args__ = ({"sqlite_with_rowid": False},)

    name: str = Field(sa_column=Column("name", String(80), primary_key=True))
    total: int = Field(sa_column=Column("total", BigInteger(), nullable=False))
    last_at: datetime = Field(sa_column=Column("last_at", Instant(), nullable=False))


COUNTER: Table = METADATA.tables["counter"]

GUARDS = (forward("counter", "grows", "NEW.total < OLD.total", "what has happened stays counted"),)
