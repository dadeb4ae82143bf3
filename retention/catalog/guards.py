"""The write-once rules, as triggers in the database itself.

The invariant: what identifies or proves (ids, UIDs, digests, index roots, sequences) never changes once written and
is never deleted; what counts upwards never goes back. It holds for any program that opens the file, not only for
this one. The message of a refusal begins with `write-once:`, by which `database` knows it.

A guard is written once, in the common part of both dialects' expressions; `IS DISTINCT FROM` becomes SQLite's older
`IS NOT`. SQLite's `REPLACE` removes rows without telling delete triggers, so there further guards refuse an
insert or update that meets an existing key; PostgreSQL has no such statement.
"""

from __future__ import annotations

from dataclasses import dataclass

MARK = "write-once:"

ALIVE = "(SELECT superseded_row FROM package WHERE id = OLD.package_row) IS NULL"
NOT_SUPERSEDING = (
    "NEW.package_row IS DISTINCT FROM (SELECT superseded_row FROM package WHERE id = OLD.package_row)"
)
NOT_LOST = "NOT (SELECT lost FROM package WHERE id = OLD.package_row)"
SHRINKS = "CASE WHEN OLD.key = 'journal_size' THEN CAST(NEW.value AS BIGINT) < CAST(OLD.value AS BIGINT) ELSE FALSE END"


BURIED = "EXISTS (SELECT 1 FROM buried WHERE package_id = OLD.package_id)"
BURIED_WITH = (
    "EXISTS (SELECT 1 FROM buried WHERE package_id ="
    " (SELECT package_id FROM package WHERE id = OLD.package_row))"
)


def _unless_destroyed(study: str) -> str:
    return f"NOT EXISTS (SELECT 1 FROM tombstone WHERE study_row = {study})"  # noqa: S608 (written in this file)


@dataclass(frozen=True, slots=True)
class Guard:
    """One trigger: before `event` on `table`, refuse the row when `condition` is true."""

    name: str
    table: str
    event: str
    condition: str
    message: str
    sqlite_only: bool = False

    def statements(self, dialect: str) -> list[str]:
        """Return the DDL for `sqlite` or `postgresql`; empty where the dialect does not need this guard."""
        if dialect == "sqlite":
            return [self._sqlite()]
        return [] if self.sqlite_only else self._postgresql()

    def _sqlite(self) -> str:
        condition = self.condition.replace("IS DISTINCT FROM", "IS NOT")
        return (
            f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table} FOR EACH ROW\n"
            f"WHEN {condition}\n"
            f"BEGIN SELECT RAISE(ABORT, '{MARK} {self.message}'); END"
        )

    def _postgresql(self) -> list[str]:
        row = "OLD" if self.event == "DELETE" else "NEW"
        function = (
            f"CREATE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
            f"IF {self.condition} THEN\n"
            f"RAISE EXCEPTION '{MARK} {self.message}' USING ERRCODE = 'restrict_violation';\n"
            f"END IF; RETURN {row}; END $$"
        )
        trigger = (
            f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table} FOR EACH ROW\n"
            f"EXECUTE FUNCTION {self.name}()"
        )
        return [function, trigger]


def frozen(table: str, *columns: str) -> Guard:
    """These columns never change."""
    condition = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
    return Guard(f"{table}_frozen", table, "UPDATE", condition, f"what identifies a {table} never changes")


def kept(table: str, when: str = "TRUE") -> Guard:
    """Rows are not deleted (while the condition holds)."""
    return Guard(f"{table}_kept", table, "DELETE", when, f"a {table} is not deleted")


def unreplaced(table: str, *keys: tuple[str, ...]) -> Guard:
    """A row with one of these keys is not replaced by another (SQLite's REPLACE)."""
    tests = (" AND ".join(f"{column} = NEW.{column}" for column in key) for key in keys)
    condition = " OR ".join(_another(table, test) for test in tests)
    message = f"a {table} of that key is there already"
    return Guard(f"{table}_unreplaced", table, "INSERT", condition, message, sqlite_only=True)


def unclashing(table: str, column: str) -> Guard:
    """A unique column that may change never takes the value of another row (SQLite's UPDATE OR REPLACE)."""
    condition = _another(table, f"{column} = NEW.{column} AND id <> OLD.id")
    message = f"another {table} has that {column}"
    return Guard(f"{table}_unclashing", table, "UPDATE", condition, message, sqlite_only=True)


def _another(table: str, test: str) -> str:
    return f"EXISTS (SELECT 1 FROM {table} WHERE {test})"  # noqa: S608 (all of it is written in this file)


def forward(table: str, name: str, condition: str, message: str) -> Guard:
    """Something moves in one direction only; `condition` is the step that is refused."""
    return Guard(f"{table}_{name}", table, "UPDATE", condition, message)


GUARDS = (
    frozen("institution", "id", "institution_id", "sequence"),
    kept("institution"),
    unreplaced("institution", ("id",), ("institution_id",), ("name",)),
    unclashing("institution", "name"),
    frozen("volume", "id", "name"),
    kept("volume"),
    unreplaced("volume", ("id",), ("name",), ("volume_id",)),
    unclashing("volume", "volume_id"),
    frozen("study", "id", "institution_row", "study_uid", "received_at"),
    kept("study", when=_unless_destroyed("OLD.id")),
    unreplaced("study", ("id",), ("study_uid", "institution_row")),
    frozen("series", "id", "study_row", "series_uid"),
    kept("series", when=_unless_destroyed("OLD.study_row")),
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
        " OR (OLD.superseded_row IS NOT NULL AND NEW.superseded_row IS DISTINCT FROM OLD.superseded_row)"
        " OR (OLD.copy_of_row IS NULL) <> (NEW.copy_of_row IS NULL)",
        "a package is closed once and superseded once, and a copy stays one",
    ),
    kept("package", when=f"NOT {BURIED}"),
    unreplaced("package", ("id",), ("package_id",), ("supersedes_row",)),
    frozen("shard", "package_row", "number"),
    forward("shard", "forward", "NEW.generation < OLD.generation", "a shard never returns to an older generation"),
    kept("shard", when=f"{ALIVE} AND NOT {BURIED_WITH}"),
    unreplaced("shard", ("package_row", "number")),
    frozen("instance", "institution_row", "digest", "variant"),
    forward(
        "instance",
        "forward",
        f"(NEW.package_row IS DISTINCT FROM OLD.package_row AND {NOT_SUPERSEDING} AND {NOT_LOST})"
        " OR (NEW.package_row = OLD.package_row AND NEW.ordinal IS DISTINCT FROM OLD.ordinal)",
        "an instance moves only to the package that supersedes its own, or away from what is lost",
    ),
    kept("instance", when=f"NOT {BURIED_WITH}"),
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
