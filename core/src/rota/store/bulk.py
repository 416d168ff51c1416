"""Inserts and upserts of many rows with hardly a cost per row but the database's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from rota.store.columns import Json, dumps
from rota.store.sqlite import raw

Row = Mapping[str, Any]
Line = tuple[Any, ...]


def upsert(conn: sa.Connection, table: sa.Table) -> Any:
    """Return an INSERT for one row that has the `on_conflict` methods of the connection's dialect."""
    # Only one of the dialects is loaded: the other would cost time at every start.
    if conn.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as insert_sqlite

        return insert_sqlite(table)
    from sqlalchemy.dialects.postgresql import insert as insert_postgresql

    return insert_postgresql(table)


class Bulk:
    """One INSERT for many rows, compiled once.

    `update` names the columns that replace those of a row with the same primary key; of those, a None in one of `keep`
    leaves what is there. Without `update` a row that exists is an error, or with `ignore` left alone. Every row given
    must have every one of `columns` (default: all); they stand in the order of the table. `on_server` are columns that
    PostgreSQL gives a value, and SQLite its default.
    """

    def __init__(
        self,
        table: sa.Table,
        *,
        columns: Iterable[str] | None = None,
        update: Iterable[str] = (),
        keep: Iterable[str] = (),
        ignore: bool = False,
        on_server: Mapping[str, sa.ColumnElement[Any]] | None = None,
    ) -> None:
        self._table = table
        self._on_server = on_server or {}
        wanted = set(columns or table.c.keys())
        self._columns = tuple(column.name for column in table.c if column.name in wanted)
        self._update, self._keep, self._ignore = tuple(update), frozenset(keep), ignore
        self._primary = tuple(column.name for column in table.primary_key)
        self._json = tuple(name for name in self._columns if isinstance(table.c[name].type, Json))

    def __call__(self, conn: sa.Connection, rows: Sequence[Row]) -> None:
        """Write `rows`. JSON columns take values, not text."""
        if not rows:
            return
        if conn.dialect.name == "sqlite":
            sql, values = self._sqlite
            raw(conn).executemany(sql, values(rows))
        else:
            conn.execute(self._postgres, {"rows": dumps(self._records(rows))})

    def lines(self, conn: sa.Connection, lines: Sequence[Line]) -> None:
        """Write rows given as tuples, in the order of `columns`, their JSON columns as text; no row twice."""
        if not lines:
            return
        if conn.dialect.name == "sqlite":
            raw(conn).executemany(self._sqlite[0], lines)
        else:
            records = [dict(zip(self._columns, line, strict=True)) for line in lines]
            conn.execute(self._postgres, {"rows": dumps(records)})

    @cached_property
    def _sqlite(self) -> tuple[str, Callable[[Sequence[Row]], list[tuple[Any, ...]]]]:
        from sqlalchemy.dialects import sqlite

        statement = self._on_conflict(sqlite.insert(self._table))
        compiled = statement.compile(dialect=sqlite.dialect(), column_keys=list(self._columns))
        order = list(compiled.positiontup or ())
        get, json_at = itemgetter(*order), [order.index(name) for name in self._json]

        def values(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
            if not json_at:
                return [get(row) for row in rows]
            return [_with_text(get(row), json_at) for row in rows]

        return str(compiled), values

    @cached_property
    def _postgres(self) -> sa.Insert:
        from sqlalchemy.dialects import postgresql

        source, more = _records(self._table, self._columns), self._on_server
        rows = sa.select(*source.c, *more.values())
        statement = postgresql.insert(self._table).from_select([*self._columns, *more], rows, False)
        finished: sa.Insert = self._on_conflict(statement)
        return finished

    def _records(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        found = []
        for row in rows:
            record = dict(row)
            for name in self._json:
                if record[name] is not None:
                    record[name] = dumps(record[name])
            found.append(record)
        return self._last_of_each(found) if self._update else found

    def _last_of_each(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """PostgreSQL refuses to touch a row twice in one statement; SQLite takes the last."""
        get = itemgetter(*self._primary)
        last: dict[Any, dict[str, Any]] = {}
        for row in rows:
            earlier = last.get(get(row))
            if earlier is not None:
                row.update({name: earlier[name] for name in self._keep if row[name] is None})
            last[get(row)] = row
        return list(last.values())

    def _on_conflict(self, statement: Any) -> Any:
        if self._ignore:
            return statement.on_conflict_do_nothing()
        if not self._update:
            return statement
        new = statement.excluded
        changes = {
            name: sa.func.coalesce(new[name], self._table.c[name]) if name in self._keep else new[name]
            for name in self._update
        }
        return statement.on_conflict_do_update(index_elements=list(self._primary), set_=changes)


class BulkUpdate:
    """One UPDATE for many rows, each found by the columns `key`. Of rows with the same key the last counts."""

    def __init__(self, table: sa.Table, *, key: Sequence[str], values: Sequence[str]) -> None:
        self._table, self._key, self._values = table, tuple(key), tuple(values)
        order = (*self._values, *self._key)
        self._order, self._get = order, itemgetter(*order)
        self._json_at = [order.index(name) for name in order if isinstance(table.c[name].type, Json)]
        changes = ", ".join(f"{name} = ?" for name in self._values)
        where = " AND ".join(f"{name} = ?" for name in self._key)
        self._sqlite = f"UPDATE {table.name} SET {changes} WHERE {where}"  # noqa: S608 - names of our own columns

    def __call__(self, conn: sa.Connection, rows: Sequence[Row]) -> None:
        """Change `rows`. JSON columns take values, not text; every row must have all columns."""
        if not rows:
            return
        lines = [_with_text(self._get(row), self._json_at) for row in rows]
        if conn.dialect.name == "sqlite":
            raw(conn).executemany(self._sqlite, lines)
        else:
            last = {line[len(self._values) :]: line for line in lines}
            records = [dict(zip(self._order, line, strict=True)) for line in last.values()]
            conn.execute(self._postgres, {"rows": dumps(records)})

    @cached_property
    def _postgres(self) -> sa.Update:
        table, source = self._table, _records(self._table, self._order)
        return (
            sa.update(table)
            .where(*(table.c[name] == source.c[name] for name in self._key))
            .values({name: source.c[name] for name in self._values})
        )


def _with_text(line: Line, json_at: Sequence[int]) -> Line:
    """Return `line` with JSON values as text."""
    found: list[Any] | None = None
    for position in json_at:
        value = line[position]
        if value is not None:
            found = found or list(line)
            found[position] = "{}" if value == {} else dumps(value)
    return line if found is None else tuple(found)


def _records(table: sa.Table, columns: Iterable[str]) -> Any:
    """Return the rows of the one parameter `rows`: quicker than arrays and than a statement per row."""
    from sqlalchemy.dialects import postgresql

    types = [sa.column(name, _wire_type(table, name)) for name in columns]
    records = sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", type_=sa.Text), postgresql.JSON))
    return records.table_valued(*types, name="source").render_derived(with_types=True)


def _wire_type(table: sa.Table, name: str) -> sa.types.TypeEngine[Any]:
    kind = table.c[name].type
    return sa.Text() if isinstance(kind, Json | sa.Text) else kind
