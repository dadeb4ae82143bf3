"""The catalog's check of itself: the database file, its guards, and the sums it keeps.

The invariant: it only reads, reports everything it finds, and what it cannot find is what only a comparison with
journal and volumes can (that is the services' part of `catalog check`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from retention.catalog.database import Database
from retention.catalog.records import CatalogCounts, CatalogProblem, ShardState
from retention.catalog.schema import GUARDS, declared
from retention.model.errors import CatalogError

SHOWN = 100
"""At most this many problems of one kind are listed; more would say the same."""

_SUMS = {
    "study-sums": """
        SELECT study.study_uid FROM study
        LEFT JOIN package
            ON package.study_row = study.id AND package.superseded_row IS NULL AND package.copy_of_row IS NULL
        GROUP BY study.id, study.study_uid, study.instances, study.bytes_received
        HAVING study.instances <> COALESCE(SUM(package.instances - package.replaced), 0)
            OR study.bytes_received <> COALESCE(SUM(package.bytes_received - package.replaced_bytes), 0)
        LIMIT :shown""",
    "series-sums": """
        SELECT study.study_uid FROM study LEFT JOIN series ON series.study_row = study.id
        GROUP BY study.id, study.study_uid, study.instances
        HAVING study.instances <> COALESCE(SUM(series.instances), 0)
        LIMIT :shown""",
    "instance-count": """
        SELECT package.package_id FROM package
        LEFT JOIN (SELECT package_row, COUNT(*) AS held FROM instance GROUP BY package_row) AS held
            ON held.package_row = package.id
        WHERE package.superseded_row IS NULL AND package.instances - package.replaced <> COALESCE(held.held, 0)
            AND (package.study_row IS NOT NULL OR package.kind <> 'study') AND package.copy_of_row IS NULL
        LIMIT :shown""",
    "shard-count": """
        SELECT package.package_id FROM package LEFT JOIN shard ON shard.package_row = package.id
        WHERE package.superseded_row IS NULL
        GROUP BY package.id, package.package_id, package.data, package.parity
        HAVING COUNT(shard.number) <> package.data + package.parity
        LIMIT :shown""",
    "supersedes": """
        SELECT new.package_id FROM package AS new JOIN package AS old ON old.id = new.supersedes_row
        WHERE old.superseded_row IS NULL OR old.superseded_row <> new.id
        LIMIT :shown""",
}

_AWAKE = "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D' AND pg_table_is_visible(tgrelid)"

_COUNTS = """
    SELECT (SELECT COUNT(*) FROM institution), (SELECT COUNT(*) FROM study), (SELECT COUNT(*) FROM series),
        (SELECT COUNT(*) FROM quarantined JOIN package ON package.id = package_row AND superseded_row IS NULL),
        COUNT(*), COALESCE(SUM(CASE WHEN copy_of_row IS NULL THEN instances - replaced ELSE 0 END), 0),
        COALESCE(SUM(CASE WHEN copy_of_row IS NULL THEN bytes_received - replaced_bytes ELSE 0 END), 0),
        COALESCE(SUM(bytes_stored), 0)
    FROM package WHERE superseded_row IS NULL"""


def check(database: Database) -> list[CatalogProblem]:
    """Return all problems found, in a stable order; an empty list is a sound catalog."""
    problems: list[CatalogProblem] = []
    for look in (_file_problems, _schema_problems, _sum_problems):
        try:
            with database.read() as connection:
                problems.extend(look(connection))
        except CatalogError as error:
            problems.append(CatalogProblem("unreadable", error.message))
            break
    return problems


def count(connection: Connection) -> CatalogCounts:
    """Count what is held; linear in the number of packages."""
    institutions, studies, series, quarantined, packages, instances, received, stored = connection.execute(
        text(_COUNTS)
    ).one()
    flawed = connection.execute(
        text("SELECT state, COUNT(*) FROM shard WHERE state <> 'sound' GROUP BY state")
    )
    return CatalogCounts(
        institutions=institutions,
        studies=studies,
        series=series,
        instances=int(instances),
        packages=packages,
        quarantined=quarantined,
        bytes_received=int(received),
        bytes_stored=int(stored),
        flawed={ShardState(state): shards for state, shards in flawed},
    )


def _file_problems(connection: Connection) -> Iterator[CatalogProblem]:
    if connection.dialect.name != "sqlite":
        return
    for (answer,) in connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})"):
        if answer != "ok":
            yield CatalogProblem("damaged", str(answer))
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(SHOWN)
    for table, _, parent, _ in broken:
        yield CatalogProblem("dangling", f"a row of {table} refers to a {parent} that is not there")


def _schema_problems(connection: Connection) -> Iterator[CatalogProblem]:
    if connection.dialect.name != "sqlite":
        yield from _guard_problems(connection)
        return
    installed = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").scalars()
    found = {_normal(statement) for statement in installed}
    wanted = {_normal(statement) for statement in declared(connection.dialect)}
    for statement in sorted(wanted - found):
        yield CatalogProblem("schema", f"changed or gone: {statement.partition('(')[0].strip()}")
    for statement in sorted(found - wanted):
        yield CatalogProblem("schema", f"not ours: {statement.partition('(')[0].strip()}")


def _guard_problems(connection: Connection) -> Iterator[CatalogProblem]:
    """A server knows by itself whether its tables are whole; whether each guard is there and awake is asked."""
    awake = set(connection.exec_driver_sql(_AWAKE).scalars())
    wanted = {guard.name for guard in GUARDS if guard.statements(connection.dialect.name)}
    for name in sorted(wanted - awake):
        yield CatalogProblem("schema", f"changed or gone: CREATE TRIGGER {name}")


def _normal(statement: str) -> str:
    return " ".join(statement.split())


def _sum_problems(connection: Connection) -> Iterator[CatalogProblem]:
    for kind, statement in _SUMS.items():
        for (name,) in connection.execute(text(statement), {"shown": SHOWN}):
            yield CatalogProblem(kind, f"{name}: what is recorded does not add up")
