"""Alembic's entry: runs on the connection that :meth:`SqlStore.migrate` provides."""

from alembic import context

from buildfarm.adapters.core.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
