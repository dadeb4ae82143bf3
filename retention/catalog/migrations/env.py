"""What the migration tool runs: the steps, on the connection and in the transaction it was handed."""

from __future__ import annotations

from alembic import context

from retention.catalog.models import models

context.configure(connection=context.config.attributes["connection"], target_metadata=models()[0])
with context.begin_transaction():
    context.run_migrations()
