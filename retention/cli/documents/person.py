"""The documents of `person …`: who may act, and in which roles."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Instant


class PersonRole(TypedDict):
    """A role, and where it counts: null is the whole archive."""

    institution: str | None
    role: str


class PersonRow(TypedDict):
    """A person as registered."""

    id: str
    """How the journal names this person: a keyed digest."""
    name: str
    email: str | None
    institutions: list[str]
    roles: list[PersonRole]
    key: str | None
    """The fingerprint of the public key, as `ssh-keygen -l` shows it."""
    added: Instant


class PersonList(TypedDict):
    """Everybody who is registered, in order of registration."""

    people: list[PersonRow]


class PersonChanged(TypedDict):
    """The person as he or she is registered now."""

    people: list[PersonRow]
