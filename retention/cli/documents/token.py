"""The documents of `token …`: what programs prove with who they are, at the web door."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.person import PersonRole
from retention.cli.documents.values import Instant


class TokenRow(TypedDict):
    """An API token as recorded."""

    id: str
    """How the journal names it, and how it begins, after `rtk_`."""
    label: str
    roles: list[PersonRole]
    made: Instant
    until: Instant
    state: str
    """`valid`, `expired` or `revoked`."""


class TokenList(TypedDict):
    """Every token there ever was, oldest first."""

    tokens: list[TokenRow]


class TokenCreated(TypedDict):
    """A new token."""

    tokens: list[TokenRow]
    token: str
    """The token itself: shown here once, and kept nowhere."""
