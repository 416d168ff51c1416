"""Encrypts every secret value in the database anew, after a key was added."""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlalchemy as sa

from rota.errors import SecretError
from rota.store.engine import Store
from rota.store.keyring import SECRET, Keyring
from rota.store.tables import executions, iterations, kv, leases, task_runs, task_state, triggers

_TOKEN = re.compile(r'(\{"' + re.escape(SECRET) + r'": ?")([A-Za-z0-9_\-=]+)("\})')
_COLUMNS = (
    executions.c.inputs,
    executions.c.variables,
    executions.c.outputs,
    executions.c.trigger,
    task_runs.c.output,
    task_runs.c.data,
    iterations.c.item,
    iterations.c.collected,
    kv.c.value,
    task_state.c.value,
    triggers.c.state,
)
_ROWS = 200


def rotate(store: Store, keyring: Keyring) -> int:
    """Encrypt all secret values with the newest key, in small transactions, and return how many there were.

    When it has returned, the older keys may be dropped. Raises SecretError for a value that no key decrypts.
    """
    count = 0

    def renewed(text: str) -> str:
        nonlocal count
        text, found = _TOKEN.subn(lambda match: match[1] + keyring.rotate(match[2]) + match[3], text)
        count += found
        return text

    def token(text: str) -> str:
        nonlocal count
        count += 1
        return keyring.rotate(text)

    for column in _COLUMNS:
        _rewrite(store, column, renewed, holds=f'%{{"{SECRET}":%')
    _rewrite(store, leases.c.lease, token, holds="%")
    return count


def _rewrite(store: Store, column: sa.Column[object], renewed: Callable[[str], str], *, holds: str) -> None:
    table = column.table
    assert isinstance(table, sa.Table)
    key, text = list(table.primary_key), sa.type_coerce(column, sa.Text)
    page = sa.select(*key, text.label("found")).where(text.like(holds)).order_by(*key).limit(_ROWS)
    last: tuple[object, ...] | None = None
    while True:
        more = page if last is None else page.where(sa.tuple_(*key) > sa.tuple_(*last))
        with store.write() as conn:
            if conn.dialect.name != "sqlite":
                more = more.with_for_update()
            rows = conn.execute(more).all()
            for row in rows:
                here = [name == value for name, value in zip(key, row, strict=False)]
                try:
                    text_now = renewed(row.found)
                except SecretError as error:
                    place = " ".join(str(value) for value in row[: len(key)])
                    raise SecretError(
                        f"{table.name}.{column.name} of {place}: {error.message}", hint=error.hint
                    ) from None
                new = sa.type_coerce(sa.literal(text_now, sa.Text), sa.Text)
                conn.execute(sa.update(table).where(*here).values({column.name: new}))
        if not rows:
            return
        last = tuple(rows[-1][: len(key)])
