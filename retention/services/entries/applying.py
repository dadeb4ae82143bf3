"""What applying an entry has at hand."""

from __future__ import annotations

from dataclasses import dataclass

from retention.catalog.transaction import Transaction
from retention.services.events import Names
from retention.services.payloads import PayloadReader


@dataclass(frozen=True, slots=True)
class Applying:
    """The step of the committer that an entry changes the catalog in, and how its payload is read."""

    transaction: Transaction
    payloads: PayloadReader
    names: Names
