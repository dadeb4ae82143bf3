"""The document of all `volume` commands: the volumes as they are now, and what each tier survives."""

from __future__ import annotations

from typing_extensions import TypedDict

from retention.cli.documents.values import Count
from retention.storage.state import VolumeState


class VolumeRow(TypedDict):
    """A volume as it is now."""

    name: str
    url: str
    site: str
    domain: str
    """What fails together with it."""
    tiers: list[str]
    is_spare: bool
    """It belongs to no tier and stands in for lost ones."""
    carries_journal: bool
    state: VolumeState
    shards: Count
    flawed: Count
    """Shards known to be missing or corrupt."""
    free_bytes: int | None
    total_bytes: int | None


class TierRow(TypedDict):
    """What a tier's packages survive."""

    name: str
    protection: str
    survives_volumes: Count
    """Any so many volumes may be lost."""
    survives_domains: Count
    """Any so many domains may be lost."""
    problem: str | None


class Volumes(TypedDict):
    """The volumes, in the order of archive.yaml."""

    volumes: list[VolumeRow]
    tiers: list[TierRow]
    write_debt: Count
    """Shards that wait for a volume."""


class LockProblem(TypedDict):
    """An object, or a bucket, whose lock could not be seen to."""

    volume: str
    message: str


class VolumeLocks(TypedDict):
    """What is locked on the volumes that lock."""

    locked: Count
    """Objects that are locked now."""
    hidden: Count
    """Removed objects whose bytes a lock still keeps."""
    problems: list[LockProblem]
