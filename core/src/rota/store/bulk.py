"""Inserts and upserts of many rows with hardly a cost per row but the database's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from rota.store.columns import Json, dumps

Row = Mapping[str, Any]


class Bulk:
    """One INSERT for many rows, compiled once.

    `update` names the columns that replace those of a row with the same primary key; of those, a None in one of `keep`
    leaves what is there. Without `update` a row that exists is an error, or with `ignore` left alone. Every row given
    must have every one of `columns` (default: all).
    """

    def __init__(
        self,
        table: sa.Table,
        *,
        columns: Iterable[str] | None = None,
        update: Iterable[str] = (),
        keep: Iterable[str] = (),
        ignore: bool = False,
    ) -> None:
        self._table = table
        self._columns = tuple(columns or (column.name for column in table.c))
        self._update, self._keep, self._ignore = tuple(update), frozenset(keep), ignore
        self._primary = tuple(column.name for column in table.primary_key)
        self._json = tuple(name for name in self._columns if isinstance(table.c[name].type, Json))

    def __call__(self, conn: sa.Connection, rows: Sequence[Row]) -> None:
        """Write `rows`. JSON columns take values, not text."""
        if not rows:
            return
        if conn.dialect.name == "sqlite":
            sql, values = self._sqlite
            conn.exec_driver_sql(sql, values(rows))
        else:
            conn.execute(self._postgres, {"rows": dumps(self._records(rows))})

    @cached_property
    def _sqlite(self) -> tuple[str, Callable[[Sequence[Row]], list[tuple[Any, ...]]]]:
        statement = self._on_conflict(sqlite.insert(self._table))
        compiled = statement.compile(dialect=sqlite.dialect(), column_keys=list(self._columns))
        order = list(compiled.positiontup or ())
        get, json_at = itemgetter(*order), [order.index(name) for name in self._json]

        def values(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
            if not json_at:
                return [get(row) for row in rows]
            found = []
            for row in rows:
                line = list(get(row))
                for position in json_at:
                    value = line[position]
                    if value is not None:
                        line[position] = "{}" if value == {} else dumps(value)
                found.append(tuple(line))
            return found

        return str(compiled), values

    @cached_property
    def _postgres(self) -> sa.Insert:
        # One parameter holds all rows: quicker than arrays and than a statement per row.
        types = [sa.column(name, self._wire_type(name)) for name in self._columns]
        records = sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", type_=sa.Text), postgresql.JSON))
        source = records.table_valued(*types, name="source").render_derived(with_types=True)
        statement = postgresql.insert(self._table).from_select(list(self._columns), sa.select(*source.c), False)
        finished: sa.Insert = self._on_conflict(statement)
        return finished

    def _wire_type(self, name: str) -> sa.types.TypeEngine[Any]:
        kind = self._table.c[name].type
        return sa.Text() if isinstance(kind, Json | sa.Text) else kind

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
