"""The first schema: institutions, volumes, studies, series, packages, shards, instances, quarantine, work, state."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from retention.catalog.guards import Guard, forward, frozen, kept, unclashing, unreplaced

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
LIVE = sa.text("superseded_row IS NULL")
ALIVE = "(SELECT superseded_row FROM package WHERE id = OLD.package_row) IS NULL"
NOT_SUPERSEDING = (
    "NEW.package_row IS DISTINCT FROM (SELECT superseded_row FROM package WHERE id = OLD.package_row)"
)
SHRINKS = "CASE WHEN OLD.key = 'journal_size' THEN CAST(NEW.value AS BIGINT) < CAST(OLD.value AS BIGINT) ELSE FALSE END"


def upgrade() -> None:
    """Make all of it."""
    _owners_and_places()
    _studies()
    _packages()
    _instances()
    _work_and_state()
    _indexes()
    dialect = op.get_bind().dialect.name
    for guard in _guards():
        for statement in guard.statements(dialect):
            op.execute(sa.text(statement.replace(":", "\\:")))


def _key(table: str) -> tuple[Any, ...]:
    return sa.Column("id", ROW, autoincrement=False, nullable=False), sa.PrimaryKeyConstraint(
        "id", name=f"pk_{table}"
    )


def _refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{columns[0]}")


def _owners_and_places() -> None:
    op.create_table(
        "institution",
        *_key("institution"),
        sa.Column("institution_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("entity", sa.Text()),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text()),
        sa.Column("ae_titles", sa.JSON(), nullable=False),
        sa.Column("policies", sa.JSON(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        _unique("institution", "institution_id"),
        _unique("institution", "name"),
    )
    op.create_table(
        "volume",
        *_key("volume"),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("volume_id", sa.String(32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("device", sa.Text()),
        sa.Column("is_mount", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        _unique("volume", "name"),
        _unique("volume", "volume_id"),
    )


def _studies() -> None:
    states = "'HELD', 'CONFLICT', 'SUSPENDED', 'PERMANENT', 'UNDETERMINED', 'DETERMINED'"
    texts = (
        "patient_id", "issuer", "patient_name", "birth_date", "sex", "study_date", "study_time", "description",
        "accession_number", "institution_name", "department",
    )  # fmt: skip
    op.create_table(
        "study",
        *_key("study"),
        sa.Column("institution_row", ROW, nullable=False),
        sa.Column("study_uid", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text()) for name in texts),
        sa.Column("modalities", sa.Text(), nullable=False),
        sa.Column("instances", sa.BigInteger(), nullable=False),
        sa.Column("bytes_received", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("keep_until_on", sa.Date()),
        sa.Column("received_at", INSTANT, nullable=False),
        _unique("study", "study_uid", "institution_row"),
        sa.CheckConstraint(f"state IN ({states})", name=op.f("ck_study_state")),
        _refers("study", "institution_row", "institution"),
    )
    op.create_table(
        "series",
        *_key("series"),
        sa.Column("study_row", ROW, nullable=False),
        sa.Column("series_uid", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("modality", "body_part", "description", "manufacturer")),
        sa.Column("instances", sa.BigInteger(), nullable=False),
        _unique("series", "study_row", "series_uid"),
        _refers("series", "study_row", "study"),
    )


def _packages() -> None:
    op.create_table(
        "package",
        *_key("package"),
        sa.Column("package_id", sa.String(32), nullable=False),
        sa.Column("institution_row", ROW, nullable=False),
        sa.Column("study_row", ROW),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("tier", sa.String(63), nullable=False),
        *(sa.Column(name, sa.SmallInteger(), nullable=False) for name in ("data", "parity", "format")),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("instances", "bytes_received", "bytes_stored")
        ),
        sa.Column("index_root", sa.LargeBinary(), nullable=False),
        sa.Column("manifest_digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("key_segment", sa.Integer()),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("verified_at", INSTANT, nullable=False),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.Column("supersedes_row", ROW),
        sa.Column("superseded_row", ROW),
        sa.CheckConstraint("kind IN ('study', 'quarantine')", name=op.f("ck_package_kind")),
        sa.CheckConstraint("kind = 'study' OR study_row IS NULL", name=op.f("ck_package_study")),
        sa.CheckConstraint("data >= 1 AND parity >= 0", name=op.f("ck_package_protection")),
        sa.CheckConstraint("length(index_root) > 0", name=op.f("ck_package_index_root")),
        _unique("package", "package_id"),
        _refers("package", "institution_row", "institution"),
        _refers("package", "study_row", "study"),
        _unique("package", "supersedes_row"),
        _refers("package", "supersedes_row", "package"),
        _refers("package", "superseded_row", "package"),
    )
    op.create_table(
        "shard",
        sa.Column("package_row", ROW, nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("volume_row", ROW),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("verified_at", INSTANT),
        sa.PrimaryKeyConstraint("package_row", "number", name="pk_shard"),
        sa.CheckConstraint(
            "state IN ('sound', 'missing', 'corrupt', 'unplaced')", name=op.f("ck_shard_state")
        ),
        sa.CheckConstraint("(state = 'unplaced') = (volume_row IS NULL)", name=op.f("ck_shard_placed")),
        sa.CheckConstraint("number >= 0 AND generation >= 0", name=op.f("ck_shard_number")),
        _refers("shard", "package_row", "package"),
        _refers("shard", "volume_row", "volume"),
        sqlite_with_rowid=False,
    )


def _instances() -> None:
    op.create_table(
        "instance",
        sa.Column("institution_row", ROW, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("variant", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("package_row", ROW, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("institution_row", "digest", "variant", name="pk_instance"),
        sa.CheckConstraint("length(digest) = 16", name=op.f("ck_instance_digest")),
        _refers("instance", "institution_row", "institution"),
        _refers("instance", "package_row", "package"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quarantined",
        sa.Column("package_row", ROW, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "detail", "source")),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("package_row", "ordinal", name="pk_quarantined"),
        _refers("quarantined", "package_row", "package"),
        sqlite_with_rowid=False,
    )


def _work_and_state() -> None:
    op.create_table(
        "work",
        *_key("work"),
        sa.Column("kind", sa.String(63), nullable=False),
        sa.Column("package_row", ROW),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("holder", sa.Text()),
        sa.Column("lease_until_at", INSTANT),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        _refers("work", "package_row", "package"),
    )
    op.create_table(
        "state",
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_state"),
    )


def _indexes() -> None:
    op.create_index("ix_study_institution", "study", ["institution_row", "id"])
    op.create_index("ix_study_state", "study", ["state", "id"])
    op.create_index("ix_study_patient", "study", ["patient_id", "id"])
    _partial("ix_study_due", "study", ["keep_until_on", "id"], sa.text("keep_until_on IS NOT NULL"))
    _partial("ix_package_study", "package", ["study_row", "id"], LIVE)
    _partial("ix_package_tier_study", "package", ["tier", "study_row"], LIVE)
    _partial("ix_package_verified", "package", ["verified_at", "id"], LIVE)
    _partial("ix_package_tier_verified", "package", ["tier", "verified_at", "id"], LIVE)
    op.create_index("ix_shard_volume", "shard", ["volume_row", "package_row", "number"])
    _partial("ix_shard_flawed", "shard", ["package_row", "number", "state"], sa.text("state <> 'sound'"))
    _partial("ix_work_open", "work", ["kind", "id"], sa.text("result IS NULL"))


def _partial(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _guards() -> tuple[Guard, ...]:
    return (
        frozen("institution", "id", "institution_id", "sequence"),
        kept("institution"),
        unreplaced("institution", ("id",), ("institution_id",), ("name",)),
        unclashing("institution", "name"),
        frozen("volume", "id", "name"),
        kept("volume"),
        unreplaced("volume", ("id",), ("name",), ("volume_id",)),
        unclashing("volume", "volume_id"),
        frozen("study", "id", "institution_row", "study_uid", "received_at"),
        kept("study"),
        unreplaced("study", ("id",), ("study_uid", "institution_row")),
        frozen("series", "id", "study_row", "series_uid"),
        kept("series"),
        unreplaced("series", ("id",), ("study_row", "series_uid")),
        frozen(
            "package", "id", "package_id", "institution_row", "study_row", "kind", "tier", "data", "parity", "format",
            "instances", "bytes_received", "bytes_stored", "index_root", "manifest_digest", "key_id", "sequence",
            "created_at", "supersedes_row",
        ),
        forward(
            "package",
            "forward",
            "(OLD.closed AND NOT NEW.closed)"
            " OR (OLD.superseded_row IS NOT NULL AND NEW.superseded_row IS DISTINCT FROM OLD.superseded_row)",
            "a package is closed once and superseded once",
        ),
        kept("package"),
        unreplaced("package", ("id",), ("package_id",), ("supersedes_row",)),
        frozen("shard", "package_row", "number"),
        forward("shard", "forward", "NEW.generation < OLD.generation", "a shard never returns to an older generation"),
        kept("shard", when=ALIVE),
        unreplaced("shard", ("package_row", "number")),
        frozen("instance", "institution_row", "digest", "variant"),
        forward(
            "instance",
            "forward",
            f"(NEW.package_row IS DISTINCT FROM OLD.package_row AND {NOT_SUPERSEDING})"
            " OR (NEW.package_row = OLD.package_row AND NEW.ordinal IS DISTINCT FROM OLD.ordinal)",
            "an instance moves only to the package that supersedes its own",
        ),
        kept("instance"),
        unreplaced("instance", ("institution_row", "digest", "variant")),
        frozen("quarantined", "package_row", "ordinal", "reason", "detail", "source", "size_bytes"),
        kept("quarantined"),
        unreplaced("quarantined", ("package_row", "ordinal")),
        frozen("state", "key"),
        forward(
            "state",
            "forward",
            f"(OLD.key = 'archive_id' AND NEW.value <> OLD.value) OR ({SHRINKS})",
            "the archive id never changes and the applied journal never shrinks",
        ),
        kept("state"),
        unreplaced("state", ("key",)),
    )  # fmt: skip
