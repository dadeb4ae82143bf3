"""The first schema: all that `tables` and the files beside it declare.

Until the first release it is made from them, so that it is whatever they say; the release writes it out, and from then
on it never changes again (ADR 13).
"""

from __future__ import annotations

from alembic import op

from retention.catalog.schema import VERSION_TABLE, declared

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all of it, but for the table that the migration tool makes by itself."""
    connection = op.get_bind()
    for statement in declared(connection.dialect):
        if statement != VERSION_TABLE:
            connection.exec_driver_sql(statement)
