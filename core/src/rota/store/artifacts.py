"""Artifacts: the rows about stored files, and the files of one task run as its context offers them."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from rota.context import Artifact, ArtifactWriter
from rota.errors import NotFound
from rota.extensions import ArtifactStore
from rota.store.columns import storable
from rota.store.engine import Store
from rota.store.tables import artifacts

_a = artifacts.c
_SCHEME = "artifact://"
_CHUNK = 1 << 20


def add(conn: sa.Connection, artifact: Artifact, execution_id: str, path: str, node: str, *, at: float) -> None:
    """Record a stored file of a task run."""
    values = {"uri": artifact.uri, "name": artifact.name, "size": artifact.size, "sha256": artifact.sha256}
    place = {"execution_id": execution_id, "path": path, "node": node, "created_at": at}
    conn.execute(sa.insert(artifacts).values(values | place))


def get(conn: sa.Connection, uri: str) -> Artifact | None:
    """Return a stored file by its uri, or None."""
    statement = sa.select(_a.uri, _a.name, _a.size, _a.sha256).where(_a.uri == uri)
    row = conn.execute(statement).one_or_none()
    return None if row is None else Artifact(*row)


def of_executions(conn: sa.Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the stored files of executions, oldest first."""
    statement = sa.select(artifacts).where(_a.execution_id.in_(ids)).order_by(_a.created_at, _a.uri)
    return [row._asdict() for row in conn.execute(statement)]


def any_stored(conn: sa.Connection) -> bool:
    """Whether the database knows of any stored file."""
    return conn.execute(sa.select(_a.uri).limit(1)).one_or_none() is not None


def key_of(database_id: str, uri: str) -> str:
    """Return the key of a uri in the artifact store. Raises NotFound for what is no uri of an artifact."""
    if not uri.startswith(_SCHEME):
        raise NotFound(f"`{uri}` is no artifact", hint="give what a task's output holds, such as `outputs.dump.stdout`")
    return f"{database_id}/{uri.removeprefix(_SCHEME)}"


class TaskArtifacts:
    """`Context.artifacts` of one task run: its files go to `files`, their rows to `store`."""

    def __init__(self, store: Store, files: ArtifactStore, execution_id: str, path: str, node: str) -> None:
        self._store, self._files = store, files
        self._execution_id, self._path, self._node = execution_id, path, node

    def save(self, path: Path, name: str = "") -> Artifact:
        """Store the file at `path` under `name` (default: its own) and return its reference."""
        with path.open("rb") as source, self.writer(name or path.name) as target:
            shutil.copyfileobj(source, target, _CHUNK)
        return target.artifact

    @contextmanager
    def writer(self, name: str) -> Iterator[ArtifactWriter]:
        """Open a new artifact to be written in chunks; it exists once the block ends well."""
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[-100:] or "file"
        uri = f"{_SCHEME}{self._execution_id}/{secrets.token_hex(8)}/{safe}"
        key = key_of(self._store.database_id, uri)
        with self._files.writer(key) as file:
            writer = _Writer(file)
            yield writer
        writer.artifact = Artifact(uri, storable(name), writer.size, writer.digest.hexdigest())
        try:
            with self._store.write() as conn:
                add(conn, writer.artifact, self._execution_id, self._path, self._node, at=time.time())
        except BaseException:
            self._files.delete(key)
            raise

    def open(self, artifact: Artifact | str) -> IO[bytes]:
        """Open an artifact, or its uri, for reading in constant memory. Raises NotFound."""
        uri = artifact if isinstance(artifact, str) else artifact.uri
        key = key_of(self._store.database_id, uri)
        with self._store.read() as conn:
            if get(conn, uri) is None:
                raise NotFound(f"there is no artifact `{uri}`", hint="it may have been purged")
        return self._files.open(key)

    def fetch(self, artifact: Artifact | str, path: Path) -> Path:
        """Copy an artifact, or its uri, to `path` and return it. Raises NotFound."""
        with self.open(artifact) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
        return path


class _Writer:
    """An artifact being written; its size and digest grow with it."""

    artifact: Artifact

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size, self.digest = 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)
