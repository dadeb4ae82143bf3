"""What an audit found, as it stands in the journal: how each shard was checked and with which result, what is lost.

Every check is recorded as what it was: that an object is there is no reading, and a reading of some cells is none of
all. No personal data: packages, shard numbers and volumes only. The payload is one Zstandard frame of canonical JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import zstandard

from retention.catalog.records import ShardRecord, ShardState
from retention.model.canonical import JsonValue, canonical_json, parse_canonical
from retention.model.errors import ShardDamagedError
from retention.model.findings import Finding, FindingKind
from retention.model.identifiers import PackageId
from retention.package.frames import require_size

MAX_BYTES = 256 * 1024 * 1024


class Method(StrEnum):
    """How a shard was checked. FULL: every byte read from the medium and compared with what the journal committed to.
    CELLS: header, index, manifest and a random choice of cells, read by ranges. METADATA: that the object is there and
    how long it is, without reading it. NONCE: the answer to `blake3(nonce ‖ bytes)` compared with one computed from
    other shards; OWN_NONCE: the same where nobody but ourselves reads the bytes to answer. REPAIR: made again, and read
    back whole.
    """

    FULL = "full"
    CELLS = "cells"
    METADATA = "metadata"
    NONCE = "nonce"
    OWN_NONCE = "nonce-own-read"
    REPAIR = "repair"


SOUND = "sound"
UNREACHABLE = "unreachable"
"""Results beside the kinds of findings: as it must be, as far as the method goes; its volume did not answer."""


@dataclass(frozen=True, slots=True)
class CheckedShard:
    """One check of one shard: how many bytes of it were read, and what came out (SOUND, a kind of finding …)."""

    number: int
    generation: int
    volume: str
    read_bytes: int
    result: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CheckedPackage:
    """The checks of one package, all by one method."""

    package: PackageId
    tier: str
    method: Method
    shards: tuple[CheckedShard, ...]

    @property
    def is_whole_reading(self) -> bool:
        return self.method is Method.FULL


@dataclass(slots=True)
class AuditOutcome:
    """Every check; the state of the shards that are not sound and were not made again; packages beyond recovery."""

    checks: list[CheckedPackage] = field(default_factory=list)
    flawed: dict[PackageId, list[ShardRecord]] = field(default_factory=dict)
    lost: list[PackageId] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.checks or self.flawed or self.lost or self.findings)

    @property
    def sound(self) -> dict[PackageId, list[int]]:
        """The shards that were read whole and are as they must be, by package."""
        found: dict[PackageId, list[int]] = {}
        for check in self.checks:
            numbers = [shard.number for shard in check.shards if shard.result == SOUND]
            if numbers and check.is_whole_reading:
                found.setdefault(check.package, []).extend(numbers)
        return found

    @property
    def shards(self) -> int:
        return sum(len(check.shards) for check in self.checks)

    @property
    def read_bytes(self) -> int:
        return sum(shard.read_bytes for check in self.checks for shard in check.shards)


def encode(outcome: AuditOutcome) -> bytes:
    """Return the payload of an `audit.run` entry."""
    document: dict[str, JsonValue] = {
        "checks": [
            [check.package, check.tier, check.method.value, [_checked(shard) for shard in check.shards]]
            for check in outcome.checks
        ],
        "flawed": {package: [_row(shard) for shard in shards] for package, shards in outcome.flawed.items()},
        "lost": list(outcome.lost),
        "findings": [_finding(finding) for finding in outcome.findings],
    }
    return zstandard.ZstdCompressor(level=3).compress(canonical_json(document))


def decode(payload: bytes) -> AuditOutcome:
    """Read a payload. Raises ValueError, KeyError, TypeError."""
    try:
        require_size(payload, "an audit record", at_most=MAX_BYTES)
        text = zstandard.ZstdDecompressor().decompress(payload, max_output_size=MAX_BYTES)
    except (ShardDamagedError, zstandard.ZstdError) as error:
        raise ValueError(f"an audit record cannot be read: {error}") from error
    raw = parse_canonical(text)
    if not isinstance(raw, Mapping):
        raise TypeError("an audit record is not an object")
    flawed, lost = raw["flawed"], raw["lost"]
    if not (isinstance(flawed, Mapping) and isinstance(lost, Sequence)):
        raise TypeError("an audit record has another form")
    return AuditOutcome(
        checks=[_read_check(row) for row in _list(raw["checks"])],
        flawed={PackageId(package): [_shard(row) for row in _list(rows)] for package, rows in flawed.items()},
        lost=[PackageId(str(package)) for package in lost],
        findings=[_read_finding(row) for row in _list(raw["findings"])],
    )


def _checked(shard: CheckedShard) -> list[JsonValue]:
    return [shard.number, shard.generation, shard.volume, shard.read_bytes, shard.result, int(shard.repaired)]


def _read_check(row: JsonValue) -> CheckedPackage:
    package, tier, method, shards = _list(row)
    return CheckedPackage(
        PackageId(str(package)), str(tier), Method(str(method)), tuple(map(_read_checked, _list(shards)))
    )


def _read_checked(row: JsonValue) -> CheckedShard:
    number, generation, volume, read_bytes, result, repaired = _list(row)
    return CheckedShard(
        _int(number), _int(generation), str(volume), _int(read_bytes), str(result), _int(repaired) == 1
    )


def _row(shard: ShardRecord) -> list[JsonValue]:
    return [shard.number, shard.state.value, shard.generation, shard.volume, shard.size_bytes]


def _shard(row: JsonValue) -> ShardRecord:
    number, state, generation, volume, size_bytes = _list(row)
    return ShardRecord(
        _int(number),
        None if volume is None else str(volume),
        _int(size_bytes),
        _int(generation),
        ShardState(str(state)),
    )


def _finding(finding: Finding) -> dict[str, JsonValue]:
    return {
        "kind": finding.kind.value,
        "volume": finding.volume,
        "package": finding.package,
        "shard": finding.shard,
        "subject": finding.subject,
        "detail": finding.detail,
        "cells": finding.cells,
        "repaired": finding.repaired,
    }


def _read_finding(row: JsonValue) -> Finding:
    if not isinstance(row, Mapping):
        raise TypeError("a finding is not an object")
    return Finding(
        FindingKind(str(row["kind"])),
        str(row["volume"]),
        _text(row["package"]),
        None if row["shard"] is None else _int(row["shard"]),
        _text(row["subject"]),
        str(row["detail"]),
        _int(row["cells"]),
        row["repaired"] is True,
    )


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _int(value: JsonValue) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a number")
    return value
