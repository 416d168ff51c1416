"""The history of the schema, read by Alembic; nothing here is imported unless a database is migrated.

`python -m rota.store.migrations "what changes"` writes the next revision from what `tables.py` has and the last one has
not. Look it over, set `schema.HEAD` to its number, and keep it usable by the previous minor version: columns are added
as nullable or with a default, and removed one minor version after the last program that uses them. Where that cannot
be, it sets `usable_from` in `meta` to its own number.
"""
