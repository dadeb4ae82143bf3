"""What goes into the catalog and what comes out of it: plain values, no rows.

The invariant: everything here is named by public identifiers (package id, institution id, UIDs, volume names); the
integer keys that join the tables stay inside. Instants are aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from retention.model.facts import PatientFacts, SeriesFacts, StudyFacts
from retention.model.findings import Health
from retention.model.identifiers import InstitutionId, KeyId, PackageId, VolumeId
from retention.model.layout import InstitutionSpec, Protection, VolumeSpec
from retention.model.states import StudyState

INSTANCE_DIGEST_BYTES = 16


class PackageKind(StrEnum):
    """What a package holds: instances of one study, or bytes that could not be identified."""

    STUDY = "study"
    QUARANTINE = "quarantine"


class ShardState(StrEnum):
    """What is known of a shard. `unplaced` is write debt: it lies on no volume yet."""

    SOUND = "sound"
    MISSING = "missing"
    CORRUPT = "corrupt"
    UNPLACED = "unplaced"


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """How much of the journal the catalog has applied: its size in entries, and the journal's own hint for opening
    it there (opaque here; empty when there is none)."""

    size: int
    hint: bytes


@dataclass(frozen=True, slots=True)
class InstitutionRecord:
    """An institution and the journal entry that made it known."""

    institution_id: InstitutionId
    spec: InstitutionSpec
    sequence: int


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A volume as recorded: `device` is what the storage layer recognises the device by (opaque here)."""

    spec: VolumeSpec
    volume_id: VolumeId
    device: str | None
    is_mount: bool
    state: str
    sequence: int


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A study as one package tells it. What an earlier package told stays; what it lacked is filled in."""

    study_uid: str
    patient: PatientFacts
    facts: StudyFacts
    received_at: datetime
    other_patients: tuple[tuple[str, str | None], ...] = ()
    """Patients (id, issuer) that its instances name beside this one."""


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """A series and how many instances of it one package holds (or, read back, all packages of the study hold)."""

    series_uid: str
    facts: SeriesFacts
    instances: int


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """One shard. `volume` is None exactly when the state is `unplaced`. `verified_at`: last read back whole."""

    number: int
    volume: str | None
    size_bytes: int
    generation: int = 0
    state: ShardState = ShardState.SOUND
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlacedShard:
    """A shard that lies somewhere, and the package it belongs to; `is_leaving`: somebody may be dropping it."""

    package_id: PackageId
    number: int
    generation: int
    volume: str
    size_bytes: int
    is_leaving: bool


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """Why one instance of a quarantine package lies there. `source` is the name it came under."""

    ordinal: int
    reason: str
    detail: str
    source: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """One instance of a package that brings again what was lost: what has to be known not to count it twice."""

    digest: bytes
    ordinal: int
    size_bytes: int
    series_uid: str | None


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """A package as its journal entry states it: all that the catalog learns when it is committed.

    Every shard must agree with `index_root` and `manifest_digest`. `digests` are (keyed digest of the identity, 16
    bytes; ordinal in the package) of every instance; `sop_classes` those of its instances, None for one without. A
    package that `supersedes` another holds the same instances in another form, whose shards stay until `drop_at`. A
    `copy_of` another holds them once more, itself until `drop_at`.
    """

    package_id: PackageId
    institution_id: InstitutionId
    sequence: int
    kind: PackageKind
    tier: str
    protection: Protection
    format: int
    instances: int
    bytes_received: int
    bytes_stored: int
    index_root: bytes
    manifest_digest: bytes
    key_id: KeyId
    created_at: datetime
    shards: tuple[ShardRecord, ...]
    digests: tuple[tuple[bytes, int], ...]
    study: StudyRecord | None = None
    series: tuple[SeriesRecord, ...] = ()
    quarantined: tuple[QuarantinedRecord, ...] = ()
    key_segment: int | None = None
    supersedes: PackageId | None = None
    replaces: tuple[PackageId, ...] = ()
    """Lost packages that instances of this one take the place of; `arrivals` then has all its instances."""
    arrivals: tuple[Arrival, ...] = ()
    closed: bool = True
    copy_of: PackageId | None = None
    drop_at: datetime | None = None
    sop_classes: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceLocation:
    """Where an instance of a digest lies. `variant` 0 came first; higher ones are conflicts with it."""

    package_id: PackageId
    ordinal: int
    variant: int


def package_health(protection: Protection, shards: tuple[ShardRecord, ...], *, lost: bool) -> Health:
    """Judge a package by its shards: beyond its parity it is damaged until an audit has proven it lost."""
    if lost:
        return Health.LOST
    bad = [shard.state for shard in shards if shard.state is not ShardState.SOUND]
    return health_of(len(bad), bad.count(ShardState.CORRUPT), protection.parity)


def health_of(bad: int, corrupt: int, parity: int) -> Health:
    """Judge by numbers: shards not sound, those of them that are corrupt, and how many may be."""
    if bad == 0:
        return Health.SOUND
    return Health.DAMAGED if corrupt or bad > parity else Health.DEGRADED


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """A package as the catalog knows it, with its shards as of when the page it came on was read.

    `drop_at`: when the shards of a superseded package, or of a copy, may be dropped; None once they are.
    """

    package_id: PackageId
    institution_id: InstitutionId
    institution: str
    study_uid: str | None
    kind: PackageKind
    tier: str
    protection: Protection
    format: int
    instances: int
    bytes_received: int
    bytes_stored: int
    index_root: bytes
    manifest_digest: bytes
    key_id: KeyId
    key_segment: int | None
    supersedes: PackageId | None
    is_superseded: bool
    copy_of: PackageId | None
    drop_at: datetime | None
    sequence: int
    created_at: datetime
    closed: bool
    verified_at: datetime
    lost: bool
    replaced: int
    """How many of its instances were lost with it and have come in again since, in other packages."""
    shards: tuple[ShardRecord, ...]

    @property
    def health(self) -> Health:
        return package_health(self.protection, self.shards, lost=self.lost)


@dataclass(frozen=True, slots=True)
class PackageKey:
    """Which key a package is under, and in which file of the keyring it is looked for first."""

    package_id: PackageId
    key_id: KeyId
    segment: int | None


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies to list; None does not restrict.

    `institution` is a name. `due_before`: those whose keep_until lies before that day, soonest first; every other
    list is in order of arrival. `after` continues behind the study named there: a Study Instance UID, or
    `institution/UID` where several institutions hold it.
    """

    institution: str | None = None
    tier: str | None = None
    state: StudyState | None = None
    patient: str | None = None
    due_before: date | None = None
    limit: int | None = None
    after: str | None = None


EVERYTHING = StudyFilter()


@dataclass(frozen=True, slots=True)
class StudySummary:
    """One line of a list of studies. `last_verified_at`: every package was read back whole then or later."""

    study_uid: str
    institution: str
    institution_id: InstitutionId
    tiers: tuple[str, ...]
    instances: int
    bytes_received: int
    state: StudyState
    keep_until_on: date | None
    holds: int
    health: Health
    received_at: datetime
    last_verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class StudyDetail:
    """Everything the catalog knows about one study."""

    summary: StudySummary
    patient: PatientFacts
    facts: StudyFacts
    modalities: tuple[str, ...]
    series: tuple[SeriesRecord, ...]
    packages: tuple[PackageSummary, ...]
    other_patients: tuple[tuple[str, str | None], ...] = ()
    """Patients (id, issuer) that instances name beside `patient`: whose the study is, somebody has to decide."""


@dataclass(frozen=True, slots=True)
class QuarantineItem:
    """One quarantined instance; its id is the package id, a hyphen and the ordinal."""

    package_id: PackageId
    ordinal: int
    institution: str
    reason: str
    detail: str
    source: str
    size_bytes: int
    received_at: datetime

    @property
    def item_id(self) -> str:
        return f"{self.package_id}-{self.ordinal}"


@dataclass(frozen=True, slots=True)
class FlawedShard:
    """A shard that is not sound, and the package it belongs to."""

    package_id: PackageId
    tier: str
    protection: Protection
    shard: ShardRecord


@dataclass(frozen=True, slots=True)
class VolumeUsage:
    """How many shards of packages a volume holds, and how many of them are missing or corrupt."""

    shards: int = 0
    flawed: int = 0


@dataclass(frozen=True, slots=True)
class CatalogCounts:
    """How much is held, superseded packages not counted; `flawed` has the shards that are not sound, by state."""

    institutions: int
    studies: int
    series: int
    instances: int
    packages: int
    quarantined: int
    bytes_received: int
    bytes_stored: int
    flawed: dict[ShardState, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """One thing the catalog's own check found wrong; `kind` is stable, `detail` for people."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A leased piece of work. `attempt` is the fencing token: only the latest lease may finish it."""

    work_id: int
    kind: str
    package_id: PackageId | None
    payload: dict[str, object]
    attempt: int
    lease_until_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants work of a kind, from `at` until `until_at`.

    A holder is named `process@place`. Of those at `place` it is known which are `alive`, and that counts, whatever the
    clock says (a rehearsal's may stand still); elsewhere a lease counts until it ends.
    """

    kind: str
    holder: str
    at: datetime
    until_at: datetime
    place: str
    alive: frozenset[str]

    def is_free(self, holder: str | None, lease_until_at: datetime | None) -> bool:
        """Whether work that this holder has, or had, may be taken."""
        if holder is None or lease_until_at is None:
            return True
        process, _, place = holder.rpartition("@")
        return process not in self.alive if place == self.place else lease_until_at <= self.at
