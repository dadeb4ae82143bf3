"""The few named values that belong to the catalog as a whole: whose it is, and how far it has followed the journal.

The invariant: the archive id never changes, and the applied size of the journal never shrinks (`guards` has both).
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from retention.catalog.records import JournalPosition
from retention.catalog.tables import STATE
from retention.model.errors import CatalogError, UsageError

ARCHIVE_ID = "archive_id"
JOURNAL_SIZE = "journal_size"
JOURNAL_HINT = "journal_hint"
CONFIG_TEXT_STATE = "config_text"
"""The text of archive.yaml that is in force."""
CONFIG_SEEN_STATE = "config_seen"
"""The digest of the last text that was seen and is not."""
RESERVED = frozenset({ARCHIVE_ID, JOURNAL_SIZE, JOURNAL_HINT})


def get_state(connection: Connection, key: str) -> str | None:
    """Return a value, None if it was never set."""
    value: str | None = connection.execute(select(STATE.c.value).where(STATE.c.key == key)).scalar()
    return value


def set_state(connection: Connection, key: str, value: str) -> None:
    """Set a value of the caller's own. Raises UsageError for the names that are the catalog's."""
    if key in RESERVED:
        raise UsageError(f"{key!r} is not a caller's to set")
    put_state(connection, key, value)


def put_state(connection: Connection, key: str, value: str) -> None:
    if not connection.execute(update(STATE).where(STATE.c.key == key).values(value=value)).rowcount:
        connection.execute(insert(STATE).values(key=key, value=value))


def read_archive_id(connection: Connection) -> str:
    """Return whose catalog this is. Raises CatalogError if it does not say."""
    archive_id = get_state(connection, ARCHIVE_ID)
    if archive_id is None:
        raise CatalogError("the catalog does not say which archive it belongs to")
    return archive_id


def read_position(connection: Connection) -> JournalPosition:
    """Return how far the journal has been applied; a new catalog is at size 0."""
    statement = select(STATE.c.key, STATE.c.value).where(STATE.c.key.in_(sorted(RESERVED)))
    values: dict[str, str] = dict(connection.execute(statement).all())
    return JournalPosition(
        size=int(values.get(JOURNAL_SIZE, "0")),
        hint=bytes.fromhex(values.get(JOURNAL_HINT, "")),
    )


def advance(connection: Connection, position: JournalPosition) -> None:
    """Note how far the journal has now been applied. Raises WriteOnceError if that is less than before."""
    put_state(connection, JOURNAL_SIZE, str(position.size))
    put_state(connection, JOURNAL_HINT, position.hint.hex())
