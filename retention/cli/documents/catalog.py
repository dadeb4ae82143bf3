"""The documents of `catalog check|rebuild|migrate`: `problems` is a list in each of them."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count


class CatalogProblem(TypedDict):
    kind: str
    detail: str


class CatalogCheck(TypedDict):
    """The catalog compared with itself, the journal and the volumes."""

    studies: Count
    packages: Count
    problems: list[CatalogProblem]


class CatalogRebuild(TypedDict):
    """A new catalog, from the online volumes alone."""

    studies: Count
    packages: Count
    entries: Count
    """Journal entries that were applied."""
    problems: list[CatalogProblem]


class CatalogMigrate(TypedDict):
    """The schema, brought to this program's version."""

    added: list[str]
    """The versions it went through; none if it was there already."""
    problems: list[CatalogProblem]
