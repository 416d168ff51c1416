"""Streams of bytes in and out: an artifact or a file, compressed, with a checksum, in constant memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

from pydantic import BaseModel, ConfigDict

from rota import Artifact, Context, TaskFailed

Compression = Literal["gzip", "none"]

GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_GZIP_WINDOW = 31
"""zlib's word for the gzip format."""


class Stored(BaseModel):
    """Where the bytes are."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    artifact: Artifact | None
    """The artifact; none when a `file` was asked for."""
    file: str | None
    """The path of the file; none when it is an artifact."""
    size: int
    """Its size in bytes, as it is stored."""
    sha256: str
    """The SHA-256 of what is stored, in lower-case hex."""


class _Target(Protocol):
    def write(self, data: bytes, /) -> int: ...


class Sink:
    """What is written to: `raw_bytes` counts what came in; `stored` is there when the `with` block has ended well."""

    stored: Stored

    def __init__(self, target: _Target, compression: Compression, level: int) -> None:
        self._target = target
        self._packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW) if compression == "gzip" else None
        self._digest = hashlib.sha256()
        self.raw_bytes = 0
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take more bytes."""
        self.raw_bytes += len(data)
        self._pass_on(data if self._packer is None else self._packer.compress(data))
        return len(data)

    def finish(self) -> None:
        """Write what the compression holds back."""
        if self._packer is not None:
            self._pass_on(self._packer.flush())

    @property
    def sha256(self) -> str:
        """The checksum of what was passed on."""
        return self._digest.hexdigest()

    def _pass_on(self, data: bytes) -> None:
        if data:
            self.size += len(data)
            self._digest.update(data)
            self._target.write(data)


@contextmanager
def sink(ctx: Context, file: str | None, name: str, compression: Compression, level: int) -> Iterator[Sink]:
    """Open the artifact `name`, or the file at the path `file`; it is there, whole, only when all went well.

    Raises TaskFailed where the file cannot be written.
    """
    if file is None:
        with ctx.artifacts.writer(name) as writer:
            out = Sink(writer, compression, level)
            yield out
            out.finish()
        out.stored = Stored(artifact=writer.artifact, file=None, size=out.size, sha256=out.sha256)
        return
    with _whole_file(file) as target:
        out = Sink(target, compression, level)
        yield out
        out.finish()
    out.stored = Stored(artifact=None, file=file, size=out.size, sha256=out.sha256)


@contextmanager
def _whole_file(file: str) -> Iterator[IO[bytes]]:
    """Write beside `file`, readable by its owner alone, and take its place at the end."""
    path = Path(file)
    try:
        number, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise TaskFailed(f"`{file}` cannot be written: {error.strerror}", retryable=False) from None
    try:
        with os.fdopen(number, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        Path(beside).replace(path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            Path(beside).unlink()
        if isinstance(error, OSError) and error.filename in {None, beside}:
            raise TaskFailed(f"`{file}` cannot be written: {error.strerror or error}") from None
        raise


def is_absolute(file: str | None) -> str | None:
    """Validate a path to write to. Raises ValueError."""
    if file is not None and not Path(file).is_absolute():
        raise ValueError("`file` is an absolute path: a work folder is gone after the task")
    return file


class Counted(io.RawIOBase):
    """A file that counts what is read of it, for progress."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.done = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer`, as files do."""
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self.done += len(data)
        return len(data)


@contextmanager
def source(ctx: Context, file: Artifact | str, sha256: str | None) -> Iterator[tuple[Counted, io.BufferedReader[Any]]]:
    """Open an artifact, its uri, or a file; give what counts, and what is in it, unpacked.

    A relative path is one of the work folder. With `sha256` all of it is read once before. Raises TaskFailed.
    """
    with ExitStack() as stack:
        if sha256 is not None:
            with _opened(ctx, file) as once:
                digest = hashlib.sha256()
                while data := once.read(_CHUNK):
                    digest.update(data)
            found = digest.hexdigest()
            if found != sha256.lower():
                raise TaskFailed(f"{named(file)} is not what it should be: its SHA-256 is {found}", retryable=False)
        counted = Counted(stack.enter_context(_opened(ctx, file)))
        packed: io.BufferedReader[Any] = io.BufferedReader(counted, _CHUNK)
        if packed.peek(2)[:2] != GZIP:
            yield counted, packed
            return
        plain = stack.enter_context(gzip.GzipFile(fileobj=packed, mode="rb"))
        try:
            yield counted, io.BufferedReader(cast("io.RawIOBase", plain), _CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TaskFailed(f"{named(file)} is damaged or cut off: {error}", retryable=False) from None


def _opened(ctx: Context, file: Artifact | str) -> IO[bytes]:
    if not isinstance(file, str) or "://" in file:
        return ctx.artifacts.open(file)
    path = Path(file) if file.startswith("/") else ctx.in_workdir(file)
    try:
        return path.open("rb")
    except OSError as error:
        raise TaskFailed(f"`{file}` cannot be read: {error.strerror}", retryable=False) from None


def named(file: Artifact | str) -> str:
    """Return a file's name for messages."""
    return f"`{file if isinstance(file, str) else file.name}`"


def size_of(ctx: Context, file: Artifact | str) -> int | None:
    """Return the size of a source in bytes, where that is known."""
    if not isinstance(file, str):
        return file.size
    path = ctx.workdir / file
    return path.stat().st_size if "://" not in file and path.is_file() else None
