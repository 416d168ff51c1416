"""Run by Alembic: applies revisions in the transaction of the connection that `rota.store.migrate` gives."""

from __future__ import annotations

from alembic import context

from rota.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
