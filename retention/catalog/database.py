"""Connections to the database: how they are opened, how a transaction begins, what an error means.

The invariants: nothing here ever makes a database by opening it; reading never waits for the committer nor it for
readers (WAL); writing takes the one write lock at its beginning, so that a transaction never fails half way for
somebody else's sake; and no exception of the driver or of SQLAlchemy leaves the catalog.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool

from retention.catalog.guards import MARK
from retention.model.errors import (
    CatalogError,
    CatalogMissingError,
    LockedError,
    RetentionError,
    SettingsError,
    WriteOnceError,
)

BUSY_TIMEOUT_S = 10.0
STOPPED_AFTER_S = 120.0
"""A server ends the transaction of a client that has said nothing for so long: one that was stopped in the middle of
its commit would keep everybody from the committer's lock. Should it wake up, nothing of it counts."""
CACHE_KIB = 32 * 1024
LOG_PAGES = 8000  # 32 MiB: ids and digests fall on random pages, and a longer log writes each back less often
SCHEMA = "retention"
"""The schema of a server's database that holds the catalog; one that is being rebuilt has another."""
COMMITTER_LOCK = 0x72657465  # an arbitrary number that PostgreSQL's advisory lock of the committer goes by
REBUILD = "run `retention catalog rebuild`"

MEANINGS: tuple[tuple[tuple[str, ...], type[RetentionError], str, str], ...] = (
    (
        ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505"),
        WriteOnceError,
        "the catalog refused a second row of one key: {text}",
        "run `retention journal verify`",
    ),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03"),
        LockedError,
        "another process is writing to the catalog {place}",
        "wait for it, and try again",
    ),
    (
        ("08", "57P"),
        CatalogError,
        "the catalog's server {place} does not answer: {text}",
        "start it, or look at `catalog` in archive.yaml and at what libpq is told (PGPASSFILE, PGHOST …)",
    ),
    (("SQLITE_CORRUPT", "SQLITE_NOTADB"), CatalogError, "the catalog {place} is damaged: {text}", REBUILD),
    (
        ("SQLITE_FULL", "53100"),
        CatalogError,
        "no space is left for the catalog {place}",
        "free some space there, and try again",
    ),
    (
        ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR"),
        CatalogError,
        "the catalog {place} cannot be used: {text}",
        "check the disk, and the permissions of the file and its directory",
    ),
)
"""What the names of SQLite's errors and PostgreSQL's states mean: error class, message, hint."""

UNREACHABLE = "08000"
NOT_WRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_PERM")
"""What SQLite says of a database that lies where nothing can be written: its log has no place there."""

COMMON = (
    "PRAGMA foreign_keys = ON",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint = {LOG_PAGES}",
)
SYNCED = ("PRAGMA synchronous = FULL",)
UNSYNCED = ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = MEMORY")


def database_file(url: str, root: Path | None = None) -> Path | None:
    """Return the file an SQLite URL names (relative ones below `root`), None for a server. Raises SettingsError."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise SettingsError(
            f"the catalog needs a database file, and {url!r} names none", hint="sqlite:///catalog.db"
        )
    return (root or Path()) / parsed.database


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"{url!r} is not a database address", hint="sqlite:///catalog.db") from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise SettingsError(
            f"the catalog cannot live in {parsed.get_backend_name()!r}", hint="sqlite:///catalog.db"
        )
    return parsed


class Database:
    """One database, its pool of connections and its transactions. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        root: Path | None,
        *,
        busy_timeout_s: float,
        synced: bool = True,
        server_schema: str = SCHEMA,
    ) -> None:
        self.file = database_file(url, root)
        self.server_schema = server_schema
        self._synced = synced
        self._busy_timeout_s = busy_timeout_s
        self._pragmas = SYNCED if synced else UNSYNCED
        self.engine = self._server(url) if self.file is None else self._embedded(self.file)

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @property
    def place(self) -> str:
        """Where the database is, without any password, for messages."""
        return str(self.file) if self.file else self.engine.url.render_as_string()

    def require(self) -> None:
        """Raise CatalogMissingError if the file is not there."""
        if self.file is not None and not self.file.is_file():
            raise CatalogMissingError(f"the catalog {self.file} is missing", hint=REBUILD)

    def make_room(self, connection: Connection) -> None:
        """Make the schema that a server keeps the catalog in; a file needs none."""
        if self.file is None:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {self.server_schema}")

    def close(self) -> None:
        """Let go of all connections; the next use makes new ones."""
        self.engine.dispose()

    @contextmanager
    def closed_on_failure(self) -> Iterator[None]:
        """Let go of all connections if what is done first with a database fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view, for as long as the block lasts: keep it short, it holds back the checkpoint."""
        with translated(self.place), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, committer: bool = True) -> Iterator[Connection]:
        """A write transaction; committed and durable when the block ends, undone when it raises.

        There is one committer at a time. On a server, what touches only the work ledger need not be it.

        Raises LockedError when another committer keeps the lock longer than the busy timeout.
        """
        with translated(self.place), self.engine.connect() as connection:
            writing = connection.execution_options(retention_writes=True, retention_commits=committer)
            with writing.begin():
                yield writing

    def _embedded(self, file: Path) -> Engine:
        def connect() -> sqlite3.Connection:
            try:
                return self._connected(_address(file))
            except sqlite3.OperationalError as error:
                if not str(error.sqlite_errorname).startswith(NOT_WRITABLE) or _has_log(file):
                    raise
            # Nothing can be written here, so nobody has it open to write: it is read as it lies.
            return self._connected(_address(file, "mode=ro&immutable=1"))

        engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
        event.listen(engine, "begin", _begin_embedded)
        return engine

    def _connected(self, address: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            address, uri=True, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in (*COMMON, *self._pragmas):
                connection.execute(pragma)
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")  # only now are its files opened
        except BaseException:
            connection.close()
            raise
        return connection

    def _server(self, url: str) -> Engine:
        try:
            engine = create_engine(url, pool_pre_ping=True)
        except (ImportError, NoSuchModuleError) as error:
            hint = "pip install 'retention[postgresql]', and write postgresql+psycopg://…"
            raise SettingsError("the PostgreSQL driver is not installed", hint=hint) from error
        event.listen(engine, "begin", self._begin_server)
        return engine

    def _begin_server(self, connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("retention_writes"):
            view = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
            connection.exec_driver_sql(f"{view}; SET LOCAL search_path = {self.server_schema}")
            return
        settings = [
            f"SET LOCAL search_path = {self.server_schema}",
            f"SET LOCAL lock_timeout = {int(self._busy_timeout_s * 1000)}",
            f"SET LOCAL idle_in_transaction_session_timeout = {int(STOPPED_AFTER_S * 1000)}",
        ]
        if not self._synced:
            settings.append("SET LOCAL synchronous_commit = off")
        connection.exec_driver_sql("; ".join(settings))
        if options.get("retention_commits"):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({COMMITTER_LOCK})")


def use_write_ahead_log(file: Path) -> None:
    """Make a database keep a write-ahead log from now on, so that readers and the committer never wait for each
    other. Nobody else may have it open."""
    with translated(str(file)):
        connection = sqlite3.connect(_address(file), uri=True)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise DBAPIError.instance("PRAGMA journal_mode", None, error, sqlite3.Error) from error
        finally:
            connection.close()


def _address(file: Path, mode: str = "mode=rw") -> str:
    return f"file:{quote(str(file.absolute()))}?{mode}"  # rw: to open is never to create


def _has_log(file: Path) -> bool:
    """Whether something was committed that only the write-ahead log has: read without it, the catalog would lie."""
    log = file.with_name(f"{file.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _begin_embedded(connection: Connection) -> None:
    # The driver is told not to begin by itself (isolation_level None): it would begin late and without the lock.
    writes = connection.get_execution_options().get("retention_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what the driver raises into the archive's errors."""
    try:
        yield
    except DBAPIError as error:
        raise _meaning(error, place) from error


def _meaning(error: DBAPIError, place: str) -> RetentionError:
    cause = error.orig
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    if text.startswith(MARK):
        return WriteOnceError(f"the catalog refused a change: {text.removeprefix(MARK).strip()}")
    name = str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or "")
    if not name and isinstance(error, OperationalError):
        name = UNREACHABLE  # the driver's own word, before any server has said anything
    for names, kind, message, hint in MEANINGS:
        if name.startswith(names):
            return kind(message.format(place=place, text=text), hint=hint)
    return CatalogError(f"the catalog {place} refused: {text}", hint="run `retention catalog check`")
