"""What an audit found, as it stands in the journal: which shards were read whole, which were not, what is lost.

No personal data: packages, shard numbers and volumes only. The payload is one Zstandard frame of canonical JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import zstandard

from retention.catalog.records import ShardRecord, ShardState
from retention.model.canonical import JsonValue, canonical_json, parse_canonical
from retention.model.errors import ShardDamagedError
from retention.model.findings import Finding, FindingKind
from retention.model.identifiers import PackageId
from retention.package.frames import require_size

MAX_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class AuditOutcome:
    """Results by package: numbers of shards found sound, the state of those that are not, packages beyond recovery."""

    sound: dict[PackageId, list[int]] = field(default_factory=dict)
    flawed: dict[PackageId, list[ShardRecord]] = field(default_factory=dict)
    lost: list[PackageId] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.sound or self.flawed or self.lost or self.findings)


def encode(outcome: AuditOutcome) -> bytes:
    """Return the payload of an `audit.run` entry."""
    document: dict[str, JsonValue] = {
        "sound": {package: list(numbers) for package, numbers in outcome.sound.items()},
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
    sound, flawed, lost = raw["sound"], raw["flawed"], raw["lost"]
    if not (isinstance(sound, Mapping) and isinstance(flawed, Mapping) and isinstance(lost, Sequence)):
        raise TypeError("an audit record has another form")
    return AuditOutcome(
        sound={
            PackageId(package): [_int(number) for number in _list(numbers)]
            for package, numbers in sound.items()
        },
        flawed={PackageId(package): [_shard(row) for row in _list(rows)] for package, rows in flawed.items()},
        lost=[PackageId(str(package)) for package in lost],
        findings=[_read_finding(row) for row in _list(raw["findings"])],
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
