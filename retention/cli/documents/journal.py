"""The documents of `journal …`: what counts and what is wrong, seals, entries, proofs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typing_extensions import TypedDict

from retention.cli.documents.values import Count, Instant
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
    """Nothing is wrong, and a checkpoint that the trust file vouches for was met."""
    timestamps: Count
    lapsed_timestamps: Count
    timestamps_until: str | None
    """Seals with a timestamp that is over them."""
    seals: Count
    sealed: Count
    """Entries under the newest seal that agrees; those after it rest on the replicas alone."""
    compared_with: list[str]
    first_bad_entry: int | None
    problems: list[JournalProblem]


class JournalSeal(TypedDict):
    """A seal that was made, or one that signatures were added to."""

    size: Count
    root: str
    sealed: Instant
    volumes: list[str]
    signatures: list[str]
    """Who signed it."""
    timestamped: Count
    """Seals that got their timestamp now."""
    not_timestamped: str | None
    """Why this seal has none."""
    checkpoint: str
    """The seal itself, as it lies on the volumes: to be kept elsewhere."""
    key: str | None
    """The public key it is signed with, for a trust file."""


class JournalEntry(TypedDict):
    """One entry's public part."""

    seq: Count
    at: Instant
    actor: str
    action: str
    institution: str | None
    objects: dict[str, str]
    data: dict[str, Any]
    payload_bytes: Count


class JournalShow(TypedDict):
    entries: Iterable[JournalEntry]


class JournalProve(TypedDict):
    """Proofs for outsiders (docs/journal.md §5)."""

    proofs: list[dict[str, Any]]
    file: str | None


class JournalExport(TypedDict):
    entries: Count
    directory: str
    files: list[str]


class JournalCosign(TypedDict):
    """Another archive's checkpoint with this one's signature."""

    origin: str
    size: Count
    signatures: list[str]
    checkpoint: str
    file: str | None
