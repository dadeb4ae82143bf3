"""Which volume a place is: the identity file on it, and what is recorded elsewhere of the device it lies on.

The invariant: an empty mount point, a wrong disk or somebody else's volume is never taken for ours, while a
directory that was emptied, or whose identity file was damaged, on the device it always had is still the same volume.
The identity file carries a check value, so that a flipped bit in it reads as damage and not as another volume.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from retention.model.digests import blake3_digest
from retention.model.identifiers import ArchiveId, VolumeId, is_id, is_name

IDENTITY_KEY = "volume.json"
_CHECK_BYTES = 16
_SIZE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class VolumeIdentity:
    """What `volume.json` says. `created_at` is RFC 3339 in UTC."""

    archive_id: ArchiveId
    volume_id: VolumeId
    name: str
    created_at: str

    def encode(self) -> bytes:
        """Return the bytes of the identity file (docs/format.md §2)."""
        facts = self._facts()
        return json.dumps(facts | {"check": _check(facts)}, indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Self | None:
        """Read an identity file; None if it is not whole."""
        try:
            facts = json.loads(data) if len(data) <= _SIZE_LIMIT else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(facts, dict) or facts.pop("check", None) != _check(facts):
            return None
        match facts:
            case {
                "format": 1,
                "archive_id": str(archive_id),
                "volume_id": str(volume_id),
                "name": str(name),
                "created_at": str(created_at),
            } if is_id(archive_id) and is_id(volume_id) and is_name(name):
                return cls(ArchiveId(archive_id), VolumeId(volume_id), name, created_at)
        return None

    def is_same(self, other: VolumeIdentity) -> bool:
        """Whether both name one volume of one archive."""
        return (self.archive_id, self.volume_id, self.name) == (other.archive_id, other.volume_id, other.name)

    def _facts(self) -> dict[str, object]:
        return {
            "format": 1,
            "archive_id": self.archive_id,
            "volume_id": self.volume_id,
            "name": self.name,
            "created_at": self.created_at,
        }


def _check(facts: dict[str, object]) -> str:
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return blake3_digest(canonical.encode())[:_CHECK_BYTES].hex()


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What a volume lies on: the file system, and whether the volume is its mount point.

    `device` is the file system's own identifier (`fsid:…`), which survives a reboot on ext4, btrfs and ZFS; where
    there is none (some network file systems) the number the system gave it (`dev:8:1`), which may not.
    """

    device: str
    is_mount: bool


def device_of(path: Path) -> DeviceRecord:
    """Describe what an existing directory lies on. Raises OSError."""
    place = Path(os.path.realpath(path))
    number, fsid = place.stat().st_dev, os.statvfs(place).f_fsid
    device = f"fsid:{fsid:016x}" if fsid else f"dev:{os.major(number)}:{os.minor(number)}"
    return DeviceRecord(device, place.is_mount())
