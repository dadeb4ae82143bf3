"""`institution add|set|list|show`."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class Institution(TypedDict):
    """One hospital or practice."""

    name: str
    id: str
    title: str | None
    entity: str | None
    """The legal body it belongs to."""
    timezone: str
    ae_titles: list[str]
    """Devices that send for it."""
    policies: list[str]
    """What binds it; none: everything is kept for ever."""
    plan: str | None
    entry: Count
    """The journal entry that made it."""


class InstitutionList(TypedDict):
    """All institutions, by name."""

    institutions: list[Institution]


class InstitutionSet(TypedDict):
    """An institution as it is now."""

    institution: Institution
    approval: str | None
    """The request that a second person has to approve before the change is in force; null when it is."""
