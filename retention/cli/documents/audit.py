"""The document of `audit run`: what was read back, and every finding by number."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count
from retention.model.findings import FindingKind


class AuditFinding(TypedDict):
    """One numbered result. It is about a shard, or about something beside the packages on a volume."""

    number: Count
    package: str | None
    shard: int | None
    volume: str
    kind: FindingKind
    subject: str | None
    """What it is about when it is no shard: `journal`, `keyring`, `identity`, `volume`, `tier NAME` (late), `machine`
    (to be doubted), or a file."""
    detail: str
    cells: Count
    """How many cells of the shard are bad."""
    repaired: bool


class AuditRun(TypedDict):
    """What was read back, and what was found."""

    checked: Count
    """Packages."""
    bytes: Count
    """Bytes read from the volumes."""
    damaged: Count
    """Shards that are not as they were written."""
    repaired: Count
    """Shards that were made again."""
    lost: Count
    """Packages of which too little is left."""
    unreachable: Count
    """Shards on volumes that do not answer."""
    settled: Count
    """Shards that waited for a volume and now have one."""
    left: bool
    """Whether time or budget ended before everything that is due was read."""
    not_checked: list[str]
    """What could not be looked at, and why: without the root key the keyring, for instance."""
    seconds: float
    findings: list[AuditFinding]
