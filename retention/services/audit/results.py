"""What an examination comes to, shard by shard, as the journal and the history have it."""

from __future__ import annotations

from collections.abc import Iterator

from retention.services.audit.examine import Examination
from retention.services.audit_record import SOUND, UNREACHABLE, CheckedPackage, CheckedShard, Method


def checked(found: Examination) -> Iterator[CheckedPackage]:
    """Yield the checks of one package; what is archived was looked at and not read, whatever the others were."""
    rows = dict.fromkeys(found.sound, SOUND)
    rows |= dict.fromkeys(found.unreachable, UNREACHABLE)
    rows |= {number: finding.kind.value for number, finding in found.findings.items()}
    if rows:
        yield _package(found, found.method, rows)
    if found.archived:
        yield _package(found, Method.METADATA, dict.fromkeys(found.archived, SOUND))


def _package(found: Examination, method: Method, rows: dict[int, str]) -> CheckedPackage:
    package = found.package
    shards = tuple(
        CheckedShard(
            number,
            package.shards[number].generation,
            package.shards[number].volume or "",
            found.read.get(number, 0),
            result,
            number in found.findings and found.findings[number].repaired,
        )
        for number, result in sorted(rows.items())
    )
    return CheckedPackage(package.package_id, package.tier, method, shards)
