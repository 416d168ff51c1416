"""What drivers raise, as Rota's own errors: they name the database and the way out."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import exc

from rota.errors import StoreBusy, StoreError, StoreFull, StoreReadOnly

_SQLSTATES: dict[str, type[StoreError]] = {
    "08": StoreBusy,  # connection failures
    "25006": StoreReadOnly,
    "40": StoreBusy,  # serialization failures and deadlocks
    "53": StoreBusy,  # too many connections, out of memory
    "53100": StoreFull,
    "55P03": StoreBusy,  # lock_timeout
    "57": StoreBusy,  # shutting down, statement_timeout
}
_SQLITE: dict[str, type[StoreError]] = {
    "SQLITE_BUSY": StoreBusy,
    "SQLITE_LOCKED": StoreBusy,
    "SQLITE_PROTOCOL": StoreBusy,
    "SQLITE_FULL": StoreFull,
    "SQLITE_READONLY": StoreReadOnly,
}
_SMALL = 1 << 20


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn a driver's error in the block into a StoreError about `where`: a file, or a server without its password."""
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        raise translate(error, where) from error


def translate(error: BaseException, where: str, *, committing: bool = False) -> StoreError:
    """Return the StoreError for `error`; `committing` says that it came in answer to a COMMIT."""
    if isinstance(error, exc.TimeoutError):
        return StoreBusy(f"all connections to `{where}` are in use", hint="try again later")
    original = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    if isinstance(original, sqlite3.Error):
        return _sqlite(original, where, committing)
    return _postgres(original, where, committing, lost=getattr(error, "connection_invalidated", False))


def is_read_only(error: BaseException) -> bool:
    """Whether a driver's error says that nothing may be written over this connection."""
    return isinstance(error, exc.DBAPIError) and isinstance(translate(error, ""), StoreReadOnly)


def _sqlite(error: sqlite3.Error, where: str, committing: bool) -> StoreError:
    name = getattr(error, "sqlite_errorname", None) or ""
    kind = next((kind for prefix, kind in _SQLITE.items() if name.startswith(prefix)), StoreError)
    if name.startswith("SQLITE_IOERR") and _cannot_grow(Path(where)):
        kind = StoreFull
    if kind is StoreBusy:
        hint = f"try again; `fuser {where}` tells who has it open"
        return StoreBusy(f"`{where}` is locked by another process", hint=hint)
    if kind is StoreFull:
        hint = "make room on the disk, raise the quota or `ulimit -f`, or run `rota purge`"
        return StoreFull(f"`{where}` cannot grow: no space is left, or a limit was reached", hint=hint)
    if kind is StoreReadOnly:
        hint = "look at the permissions of the file and its folder"
        return StoreReadOnly(f"`{where}` cannot be written to", hint=hint)
    if name == "SQLITE_CANTOPEN":
        return StoreError(f"`{where}` cannot be opened", hint="look at the path and the permissions of its folder")
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
        return StoreError(f"`{where}` is no SQLite database, or is damaged: {error}", hint="restore it from a backup")
    doubtful = committing and name.startswith("SQLITE_IOERR")
    return StoreError(f"`{where}`: {error}", doubtful=doubtful)


def _cannot_grow(path: Path) -> bool:
    """Whether a failed write is likely to be one for which there was no room."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        sizes = [found.stat().st_size for found in (path, path.with_name(path.name + "-wal")) if found.exists()]
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    if limit != resource.RLIM_INFINITY and max(sizes, default=0) + _SMALL > limit:
        return True
    return disk.f_bavail * disk.f_frsize < _SMALL


def _postgres(error: BaseException, where: str, committing: bool, lost: bool) -> StoreError:
    state = getattr(error, "sqlstate", None) or ""
    text = str(error).strip().partition("\n")[0]
    kind = _SQLSTATES.get(state) or _SQLSTATES.get(state[:2], StoreError)
    if lost or (not state and type(error).__name__ in {"OperationalError", "ConnectionTimeout"}):
        # An answer with a state is a decision; silence during COMMIT is none.
        hint = "look whether the server runs and can be reached"
        return StoreBusy(f"`{where}` is out of reach: {text}", doubtful=committing, hint=hint)
    hint = ""
    if kind is StoreFull:
        hint = "make room on the server's disk, or run `rota purge`"
    elif kind is StoreReadOnly:
        hint = "is it a standby? name the primary server in the setting `store`"
    elif state.startswith("28"):
        hint = "look at user and password in the setting `store`"
    elif state == "42501":
        hint = "grant the user of the setting `store` the rights on Rota's tables"
    return kind(f"`{where}`: {text}", doubtful=committing and state[:2] in {"08", "57"}, hint=hint)
