"""The documents of `account …`: who comes in at the web door by name and password."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.person import PersonRole
from retention.cli.documents.values import Instant


class AccountRow(TypedDict):
    """An account as recorded."""

    id: str
    """How the journal names whoever comes in by it: as the person of that name."""
    name: str
    roles: list[PersonRole]
    """Its own, or those of the registered person of that name."""
    made: Instant
    is_locked: bool


class AccountList(TypedDict):
    """Every account, oldest first."""

    accounts: list[AccountRow]


class AccountChanged(TypedDict):
    """The account as it is now."""

    accounts: list[AccountRow]
