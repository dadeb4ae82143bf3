"""Findings and health: what an audit says. A finding is data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    MISSING = "missing"
    CORRUPT = "corrupt"
    MISPLACED = "misplaced"
    UNREADABLE = "unreadable"
    EXTRA = "extra"
    LATE = "late"


class Health(StrEnum):
    """Of a package or study: sound; redundancy missing; unreadable parts but recoverable; beyond recovery."""

    SOUND = "sound"
    DEGRADED = "degraded"
    DAMAGED = "damaged"
    LOST = "lost"


@dataclass(slots=True)
class Finding:
    """One numbered result of an audit. `package` and `shard` are None for a volume's own files.

    `subject` names such a file (`journal`, `keyring`, `identity`, `documents`, or a key on the volume).
    """

    kind: FindingKind
    volume: str
    package: str | None = None
    shard: int | None = None
    subject: str | None = None
    detail: str = ""
    cells: int = 0
    repaired: bool = False
