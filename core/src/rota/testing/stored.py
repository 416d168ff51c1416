"""What a test's context stores: keys in memory, artifacts in a folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from rota.context import Artifact, ArtifactWriter
from rota.errors import NotFound


class MemoryKeyValue:
    """A key-value store that is gone with the test; values are kept as JSON, as in the real one."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, datetime | None]] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default` where there is none or it has expired."""
        text, end = self._values.get(key, (None, None))
        return default if text is None or (end is not None and end <= _now()) else json.loads(text)

    def set(self, key: str, value: Any, *, ttl: timedelta | None = None) -> None:
        """Store `value` under `key`."""
        self._values[key] = json.dumps(value, allow_nan=False), None if ttl is None else _now() + ttl

    def delete(self, key: str) -> bool:
        """Remove `key`; return whether it was there."""
        there = key in self.keys(key)
        self._values.pop(key, None)
        return there

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, sorted."""
        missing = object()
        return sorted(key for key in self._values if key.startswith(prefix) and self.get(key, missing) is not missing)


class FolderArtifacts:
    """Artifacts in a folder; `read(artifact)` gives the bytes of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def save(self, path: Path, name: str = "") -> Artifact:
        """Store the file at `path` under `name` (default: its own) and return its reference."""
        with self.writer(name or path.name) as writer, path.open("rb") as source:
            while data := source.read(1 << 20):
                writer.write(data)
        return writer.artifact

    @contextmanager
    def writer(self, name: str) -> Iterator[ArtifactWriter]:
        """Open a new artifact to be written in chunks; it exists once the `with` block ends well."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._count += 1
        key = f"{self._count}"
        path = self._folder / key
        try:
            with path.open("wb") as file:
                writer = _Writer(file)
                yield writer
        except BaseException:
            path.unlink()
            raise
        writer.artifact = Artifact(f"test:///{key}", name, writer.size, writer.digest.hexdigest())

    def open(self, artifact: Artifact | str) -> IO[bytes]:
        """Open an artifact, or its uri, for reading. Raises NotFound."""
        uri = artifact if isinstance(artifact, str) else artifact.uri
        path = self._folder / uri.removeprefix("test:///")
        if "/" in uri.removeprefix("test:///") or not path.is_file():
            raise NotFound(f"there is no artifact `{uri}`")
        return path.open("rb")

    def fetch(self, artifact: Artifact | str, path: Path) -> Path:
        """Copy an artifact, or its uri, to `path` and return it. Raises NotFound."""
        with self.open(artifact) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
        return path

    def read(self, artifact: Artifact | str) -> bytes:
        """Return the bytes of an artifact, or of its uri. Raises NotFound."""
        with self.open(artifact) as file:
            return file.read()


class _Writer:
    artifact: Artifact

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self.digest.update(data)
        return self._file.write(data)


def _now() -> datetime:
    return datetime.now(UTC)
