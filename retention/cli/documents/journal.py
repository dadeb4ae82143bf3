"""The document of `journal verify`: what counts, and what is wrong on which replica."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count
from retention.model.findings import FindingKind


class JournalProblem(TypedDict):
    kind: FindingKind
    volume: str | None
    """None: it is whole on no volume."""
    file: str
    entry: int | None
    detail: str


class JournalVerify(TypedDict):
    """Every replica read and compared. Consistent is not yet trusted: that needs something from outside."""

    entries: Count
    tree_size: Count
    root: str
    """The root of the Merkle tree, in hexadecimal."""
    valid: bool
    trusted: bool
    timestamps: Count
    first_bad_entry: int | None
    problems: list[JournalProblem]
