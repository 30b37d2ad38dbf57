"""Alembic's entrance: runs the revisions on the connection that storage/migrate.py gives."""

from alembic import context

import storage.tables  # noqa: F401 - every table
from storage.base import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
