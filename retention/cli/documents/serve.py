"""The document of `serve`: what was listened on, and what became of what was received."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class ListenerRow(TypedDict):
    """One door."""

    door: str
    address: str
    ae_title: str | None


class Serve(TypedDict):
    """What happened until it was stopped."""

    listeners: list[ListenerRow]
    studies: Count
    """Studies closed into packages."""
    instances: Count
    """Instances packed."""
    staged: Count
    """Instances that are acknowledged and still staged: they are packed when it serves again."""
    failures: list[str]
    """Why they are."""
