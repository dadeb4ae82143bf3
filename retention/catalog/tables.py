"""The tables, declared once with SQLModel. Hot paths use the Core tables at the end of this file, never the classes.

The invariants that a declaration can carry are here (keys, uniqueness, references, checks); those that need to see
the row before and after are triggers, in `guards`. Column names: `id` is a row's own integer key, `…_row` refers to
one, `…_id` without more is a public identifier. Rows are numbered by the one committer, so there are no sequences.

Tables of other aggregates are declared beside this file, each in its own; `schema` has the list. From the first release
on any change is a new version: a migration, and its name in `SCHEMA_VERSIONS` (ADR 13).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from retention.catalog.columns import ForeignText, Instant
from retention.catalog.declaring import METADATA, Base, Field, key_column, partial_index, refers_to

SCHEMA_VERSIONS = ("0001",)
"""Every version of the schema there ever was, oldest first; the last is the one this program reads and writes."""

LIVE = text("superseded_row IS NULL")
FLAWED = text("state <> 'sound'")
DATED = text("keep_until_on IS NOT NULL")
STALE = text("is_stale")
CHANGING = text("next_change_on IS NOT NULL")
MOVING = text("move_on IS NOT NULL")
OPEN = text("result IS NULL")
LEAVING = text("drop_at IS NOT NULL")
SEVERAL_PATIENTS = text("other_patients IS NOT NULL")
COPY = text("copy_of_row IS NOT NULL")
SPREAD_BYTES = 8 << 20
"""From this size on the shards of a package are read back at different times; smaller ones are read in one go."""
SPREAD = text(f"superseded_row IS NULL AND bytes_stored >= {SPREAD_BYTES}")


class InstitutionRow(Base, table=True):
    __tablename__ = "institution"

    id: int = Field(sa_column=key_column())
    institution_id: str = Field(sa_column=Column("institution_id", String(32), unique=True, nullable=False))
    name: str = Field(sa_column=Column("name", String(63), unique=True, nullable=False))
    title: str | None = Field(sa_column=Column("title", Text()))
    entity: str | None = Field(sa_column=Column("entity", Text()))
    timezone: str = Field(sa_column=Column("timezone", Text(), nullable=False))
    plan: str | None = Field(sa_column=Column("plan", Text()))
    ae_titles: list[str] = Field(sa_column=Column("ae_titles", JSON(), nullable=False))
    policies: list[str] = Field(sa_column=Column("policies", JSON(), nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


class VolumeRow(Base, table=True):
    __tablename__ = "volume"

    id: int = Field(sa_column=key_column())
    name: str = Field(sa_column=Column("name", String(63), unique=True, nullable=False))
    volume_id: str = Field(sa_column=Column("volume_id", String(32), unique=True, nullable=False))
    url: str = Field(sa_column=Column("url", Text(), nullable=False))
    site: str = Field(sa_column=Column("site", Text(), nullable=False))
    domain: str = Field(sa_column=Column("domain", Text(), nullable=False))
    device: str | None = Field(sa_column=Column("device", Text()))
    is_mount: bool = Field(sa_column=Column("is_mount", Boolean(), nullable=False))
    state: str = Field(sa_column=Column("state", String(32), nullable=False))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))


class StudyRow(Base, table=True):
    """A study, and what policies and plan say of it. The decision (`state` to `move_on`) is a memory of an evaluation:
    it counts as long as `is_stale` is false and `next_change_on` has not come (`services.decisions`). What its header
    says of the patient stays as received; `attributed_row` is the patient it belongs to, as the header or a later fact
    says, and `patient_row` the one that this patient is now known to be the same as."""

    __tablename__ = "study"
    __table_args__ = (
        UniqueConstraint("study_uid", "institution_row"),
        partial_index("ix_study_other_patients", "id", where=SEVERAL_PATIENTS),
        CheckConstraint(
            "state IN ('HELD', 'CONFLICT', 'SUSPENDED', 'PERMANENT', 'UNDETERMINED', 'DETERMINED')",
            name="state",
        ),
        Index("ix_study_institution", "institution_row", "id"),
        Index("ix_study_state", "state", "id"),
        Index("ix_study_patient", "patient_id", "id"),
        Index("ix_study_person", "patient_row", "id"),
        Index("ix_study_accession", "accession_number", "id"),
        Index("ix_study_date", "institution_row", "study_date", "id"),
        partial_index("ix_study_due", "keep_until_on", "id", where=DATED),
        partial_index("ix_study_stale", "id", where=STALE),
        partial_index("ix_study_change", "next_change_on", "id", where=CHANGING),
        partial_index("ix_study_move", "move_on", "id", where=MOVING),
    )

    id: int = Field(sa_column=key_column())
    institution_row: int = Field(sa_column=refers_to("institution_row", "institution"))
    study_uid: str = Field(sa_column=Column("study_uid", String(64), nullable=False))
    attributed_row: int | None = Field(sa_column=refers_to("attributed_row", "patient", nullable=True))
    patient_row: int | None = Field(sa_column=refers_to("patient_row", "patient", nullable=True))
    patient_id: str | None = Field(sa_column=Column("patient_id", ForeignText()))
    issuer: str | None = Field(sa_column=Column("issuer", ForeignText()))
    patient_name: str | None = Field(sa_column=Column("patient_name", ForeignText()))
    birth_date: str | None = Field(sa_column=Column("birth_date", ForeignText()))
    sex: str | None = Field(sa_column=Column("sex", ForeignText()))
    study_date: str | None = Field(sa_column=Column("study_date", ForeignText()))
    study_time: str | None = Field(sa_column=Column("study_time", ForeignText()))
    description: str | None = Field(sa_column=Column("description", ForeignText()))
    accession_number: str | None = Field(sa_column=Column("accession_number", ForeignText()))
    institution_name: str | None = Field(sa_column=Column("institution_name", ForeignText()))
    department: str | None = Field(sa_column=Column("department", ForeignText()))
    study_id: str | None = Field(sa_column=Column("study_id", ForeignText()))
    referring_physician: str | None = Field(sa_column=Column("referring_physician", ForeignText()))
    other_patients: str | None = Field(sa_column=Column("other_patients", Text()))
    modalities: str = Field(sa_column=Column("modalities", ForeignText(), nullable=False))
    sop_classes: str = Field(sa_column=Column("sop_classes", ForeignText(), nullable=False))
    instances: int = Field(sa_column=Column("instances", BigInteger(), nullable=False))
    bytes_received: int = Field(sa_column=Column("bytes_received", BigInteger(), nullable=False))
    state: str = Field(sa_column=Column("state", String(16), nullable=False))
    reason: str | None = Field(sa_column=Column("reason", String(32)))
    holds: int = Field(sa_column=Column("holds", Integer(), nullable=False))
    keep_until_on: date | None = Field(sa_column=Column("keep_until_on", Date()))
    next_change_on: date | None = Field(sa_column=Column("next_change_on", Date()))
    is_stale: bool = Field(sa_column=Column("is_stale", Boolean(), nullable=False))
    plan_tier: str | None = Field(sa_column=Column("plan_tier", String(63)))
    next_tier: str | None = Field(sa_column=Column("next_tier", String(63)))
    move_on: date | None = Field(sa_column=Column("move_on", Date()))
    accessed_on: date | None = Field(sa_column=Column("accessed_on", Date()))
    received_at: datetime = Field(sa_column=Column("received_at", Instant(), nullable=False))


class SeriesRow(Base, table=True):
    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("study_row", "series_uid"),)

    id: int = Field(sa_column=key_column())
    study_row: int = Field(sa_column=refers_to("study_row", "study"))
    series_uid: str = Field(sa_column=Column("series_uid", String(64), nullable=False))
    modality: str | None = Field(sa_column=Column("modality", ForeignText()))
    body_part: str | None = Field(sa_column=Column("body_part", ForeignText()))
    description: str | None = Field(sa_column=Column("description", ForeignText()))
    manufacturer: str | None = Field(sa_column=Column("manufacturer", ForeignText()))
    number: str | None = Field(sa_column=Column("number", ForeignText()))
    performed_date: str | None = Field(sa_column=Column("performed_date", ForeignText()))
    performed_time: str | None = Field(sa_column=Column("performed_time", ForeignText()))
    instances: int = Field(sa_column=Column("instances", BigInteger(), nullable=False))


class PackageRow(Base, table=True):
    __tablename__ = "package"
    __table_args__ = (
        CheckConstraint("kind IN ('study', 'quarantine')", name="kind"),
        CheckConstraint("kind = 'study' OR study_row IS NULL", name="study"),
        CheckConstraint("data >= 1 AND parity >= 0", name="protection"),
        CheckConstraint("length(index_root) > 0", name="index_root"),
        partial_index("ix_package_study", "study_row", "id", where=LIVE),
        partial_index("ix_package_tier_study", "tier", "study_row", where=LIVE),
        partial_index("ix_package_verified", "verified_at", "id", where=LIVE),
        partial_index("ix_package_tier_verified", "tier", "verified_at", "id", where=LIVE),
        partial_index("ix_package_tier_read", "tier", "read_at", "id", where=SPREAD),
        partial_index("ix_package_leaving", "drop_at", "id", where=LEAVING),
        partial_index("ix_package_copy", "copy_of_row", "id", where=COPY),
        Index("ix_package_forms", "study_row", "id"),
    )

    id: int = Field(sa_column=key_column())
    package_id: str = Field(sa_column=Column("package_id", String(32), unique=True, nullable=False))
    institution_row: int = Field(sa_column=refers_to("institution_row", "institution"))
    study_row: int | None = Field(sa_column=refers_to("study_row", "study", nullable=True))
    kind: str = Field(sa_column=Column("kind", String(16), nullable=False))
    tier: str = Field(sa_column=Column("tier", String(63), nullable=False))
    data: int = Field(sa_column=Column("data", SmallInteger(), nullable=False))
    parity: int = Field(sa_column=Column("parity", SmallInteger(), nullable=False))
    format: int = Field(sa_column=Column("format", SmallInteger(), nullable=False))
    instances: int = Field(sa_column=Column("instances", BigInteger(), nullable=False))
    bytes_received: int = Field(sa_column=Column("bytes_received", BigInteger(), nullable=False))
    bytes_stored: int = Field(sa_column=Column("bytes_stored", BigInteger(), nullable=False))
    index_root: bytes = Field(sa_column=Column("index_root", LargeBinary(), nullable=False))
    manifest_digest: bytes = Field(sa_column=Column("manifest_digest", LargeBinary(), nullable=False))
    key_id: str = Field(sa_column=Column("key_id", String(32), nullable=False))
    key_segment: int | None = Field(sa_column=Column("key_segment", Integer()))
    sequence: int = Field(sa_column=Column("sequence", BigInteger(), nullable=False))
    created_at: datetime = Field(sa_column=Column("created_at", Instant(), nullable=False))
    closed: bool = Field(sa_column=Column("closed", Boolean(), nullable=False))
    verified_at: datetime = Field(sa_column=Column("verified_at", Instant(), nullable=False))
    read_at: datetime = Field(sa_column=Column("read_at", Instant(), nullable=False))
    lost: bool = Field(sa_column=Column("lost", Boolean(), nullable=False))
    supersedes_row: int | None = Field(
        sa_column=refers_to("supersedes_row", "package", nullable=True, unique=True)
    )
    superseded_row: int | None = Field(sa_column=refers_to("superseded_row", "package", nullable=True))
    replaced: int = Field(sa_column=Column("replaced", BigInteger(), nullable=False))
    replaced_bytes: int = Field(sa_column=Column("replaced_bytes", BigInteger(), nullable=False))
    copy_of_row: int | None = Field(sa_column=refers_to("copy_of_row", "package", nullable=True))
    drop_at: datetime | None = Field(sa_column=Column("drop_at", Instant()))


class ShardRow(Base, table=True):
    __tablename__ = "shard"
    __table_args__ = (
        CheckConstraint("state IN ('sound', 'missing', 'corrupt', 'unplaced')", name="state"),
        CheckConstraint("(state = 'unplaced') = (volume_row IS NULL)", name="placed"),
        CheckConstraint("number >= 0 AND generation >= 0", name="number"),
        Index("ix_shard_volume", "volume_row", "package_row", "number"),
        partial_index("ix_shard_flawed", "package_row", "number", "state", where=FLAWED),
        {"sqlite_with_rowid": False},
    )

    package_row: int = Field(sa_column=refers_to("package_row", "package", primary_key=True))
    number: int = Field(sa_column=Column("number", SmallInteger(), primary_key=True, autoincrement=False))
    generation: int = Field(sa_column=Column("generation", Integer(), nullable=False))
    volume_row: int | None = Field(sa_column=refers_to("volume_row", "volume", nullable=True))
    size_bytes: int = Field(sa_column=Column("size_bytes", BigInteger(), nullable=False))
    state: str = Field(sa_column=Column("state", String(16), nullable=False))
    verified_at: datetime | None = Field(sa_column=Column("verified_at", Instant()))


class InstanceRow(Base, table=True):
    """Where each instance lies, by a keyed digest of its identity. Clustered by the digest on SQLite."""

    __tablename__ = "instance"
    __table_args__ = (
        CheckConstraint("length(digest) = 16", name="digest"),
        {"sqlite_with_rowid": False},
    )

    institution_row: int = Field(sa_column=refers_to("institution_row", "institution", primary_key=True))
    digest: bytes = Field(sa_column=Column("digest", LargeBinary(), primary_key=True))
    variant: int = Field(sa_column=Column("variant", SmallInteger(), primary_key=True, autoincrement=False))
    package_row: int = Field(sa_column=refers_to("package_row", "package"))
    ordinal: int = Field(sa_column=Column("ordinal", Integer(), nullable=False))


class QuarantinedRow(Base, table=True):
    __tablename__ = "quarantined"
    __table_args__ = ({"sqlite_with_rowid": False},)

    package_row: int = Field(sa_column=refers_to("package_row", "package", primary_key=True))
    ordinal: int = Field(sa_column=Column("ordinal", Integer(), primary_key=True, autoincrement=False))
    reason: str = Field(sa_column=Column("reason", ForeignText(), nullable=False))
    detail: str = Field(sa_column=Column("detail", ForeignText(), nullable=False))
    source: str = Field(sa_column=Column("source", ForeignText(), nullable=False))
    size_bytes: int = Field(sa_column=Column("size_bytes", BigInteger(), nullable=False))


class WorkRow(Base, table=True):
    __tablename__ = "work"
    __table_args__ = (partial_index("ix_work_open", "kind", "id", where=OPEN),)

    id: int = Field(sa_column=key_column())
    kind: str = Field(sa_column=Column("kind", String(63), nullable=False))
    package_row: int | None = Field(sa_column=refers_to("package_row", "package", nullable=True))
    payload: dict[str, Any] = Field(sa_column=Column("payload", JSON(), nullable=False))
    holder: str | None = Field(sa_column=Column("holder", Text()))
    lease_until_at: datetime | None = Field(sa_column=Column("lease_until_at", Instant()))
    attempts: int = Field(sa_column=Column("attempts", Integer(), nullable=False))
    result: str | None = Field(sa_column=Column("result", Text()))
    created_at: datetime = Field(sa_column=Column("created_at", Instant(), nullable=False))


class StateRow(Base, table=True):
    __tablename__ = "state"

    key: str = Field(sa_column=Column("key", String(63), primary_key=True))
    value: str = Field(sa_column=Column("value", Text(), nullable=False))


INSTITUTION: Table = METADATA.tables["institution"]
VOLUME: Table = METADATA.tables["volume"]
STUDY: Table = METADATA.tables["study"]
SERIES: Table = METADATA.tables["series"]
PACKAGE: Table = METADATA.tables["package"]
SHARD: Table = METADATA.tables["shard"]
INSTANCE: Table = METADATA.tables["instance"]
QUARANTINED: Table = METADATA.tables["quarantined"]
WORK: Table = METADATA.tables["work"]
STATE: Table = METADATA.tables["state"]
