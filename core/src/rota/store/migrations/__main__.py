"""Writes the next revision: what `tables.py` has and the last revision has not."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext

from rota.store.columns import Id, Json, Key
from rota.store.migrate import newest, upgrade
from rota.store.tables import metadata

_FILE = '''"""{title}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "{revision}"
down_revision = {previous}


def upgrade() -> None:{noqa}
    """Bring the schema from {previous_words} to {revision}."""
    {code}
'''


def write(title: str) -> Path:
    """Write the revision named by `title` and return its path."""
    _tell_postgresql_where(metadata)
    versions = Path(__file__).parent / "versions"
    previous = newest()
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/old.db")
        with engine.begin() as conn:
            if previous:
                upgrade(conn)
            options: dict[str, Any] = {"render_item": _render, "render_as_batch": True, "user_module_prefix": None}
            context = MigrationContext.configure(conn, opts={**options, "target_metadata": metadata})
            changes = produce_migrations(context, metadata).upgrade_ops
            assert changes is not None
            code = render_python_code(changes, render_as_batch=True, migration_context=context, render_item=_render)
        engine.dispose()
    revision = f"{int(previous or 0) + 1:04d}"
    path = versions / f"{revision}_{re.sub(r'[^a-z0-9]+', '_', title.lower()).strip('_')}.py"
    body = "\n".join(line for line in code.splitlines() if not line.strip().startswith("# ###"))
    words = f"revision {previous}" if previous else "nothing"
    path.write_text(
        _FILE.format(
            title=title.capitalize(),
            revision=revision,
            previous=repr(previous).replace("'", '"'),
            previous_words=words,
            code=body.strip(),
            noqa="  # noqa: PLR0915" if body.count("op.") > 20 else "",
        )
    )
    return path


def _tell_postgresql_where(tables: sa.MetaData) -> None:
    """Have the partial indexes be so on PostgreSQL, too: `tables.py` does without its dialect."""
    for index in (index for table in tables.tables.values() for index in table.indexes):
        if where := index.info.get("where"):
            index.dialect_options["postgresql"]["where"] = sa.text(where)


def _render(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """Name the types as they are now: a revision must not change when `columns.py` does."""
    if kind == "type":
        if isinstance(item, Json):
            return "sa.Text()"
        return "KEY" if item is Key else "ID" if item is Id else False
    return False


if __name__ == "__main__":
    sys.stdout.write(f"{write(sys.argv[1])}\n")
