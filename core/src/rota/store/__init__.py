"""The store: the only part of Rota that opens database connections.

`open_store` gives a `Store`; the modules beside it hold the queries, one table family each, and every function of
theirs takes a connection from `Store.read()` or `Store.write()` first.
"""

from __future__ import annotations

from sqlalchemy import Connection

from rota.store.engine import Store, exists, file_of, now, open_store, serialize

__all__ = ["Connection", "Store", "exists", "file_of", "now", "open_store", "serialize"]
