"""Alembic environment: runs inside the connection and transaction that `include.storage.migrate` opened."""

from __future__ import annotations

from alembic import context

from include.storage.migrate import VERSION_TABLE
from include.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
