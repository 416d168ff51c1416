"""Rota's own artifacts in an object store: `artifacts: {type: objectstore.bucket, …}` in `rota.yaml`."""

from __future__ import annotations

import asyncio
import io
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, cast

from pydantic import model_validator

from rota import ArtifactStore, NotFound, RotaError, TaskFailed
from rota_objectstore.connection_fields import StoreFields, WritingFields
from rota_objectstore.failures import in_words
from rota_objectstore.places import Place, Uri, parse_uri

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ObjectStore

_PART = 16 << 20
"""An artifact's size is not known before its end: 10,000 parts of this size are the most that it may have."""
_READ = 4 << 20


class Bucket(StoreFields, WritingFields, ArtifactStore):
    """Keep artifacts in an object store.

    An artifact appears whole or not at all, and passes in constant memory. `objectstore.put` copies one to another
    place of the same store without sending it.

    Example:
        artifacts:
          type: objectstore.bucket
          uri: s3://rota-artifacts/production/
          endpoint: https://s3.bank.internal
          region: eu-west-1
    """

    uri: Uri
    """The folder for the artifacts, shared by all servers of one database."""

    @model_validator(mode="after")
    def _is_a_folder(self) -> Bucket:
        if not parse_uri(self.uri).is_folder:
            raise ValueError("`uri` is a folder and ends with `/`")
        return self

    @contextmanager
    def writer(self, key: str) -> Iterator[IO[bytes]]:
        """Open `key` for writing; it exists, whole, once the block ends without an exception."""
        place = self._place(key)
        with self._translated(place, "store"):
            writer = _Writer(self._store, place.key)
        try:
            yield cast("IO[bytes]", writer)
        except BaseException:
            writer.give_up()
            raise
        with self._translated(place, "store"):
            writer.finish()

    def open(self, key: str) -> IO[bytes]:
        """Open `key` for reading. Raises NotFound."""
        import obstore

        place = self._place(key)
        with self._translated(place, "open"):
            try:
                meta = obstore.head(self._store, place.key)
            except FileNotFoundError:
                raise NotFound(f"there is no artifact `{key}` in `{self.uri}`") from None
        return cast("IO[bytes]", StoredFile(StoredRaw(self, place, meta["size"]), (self, place)))

    def delete(self, key: str) -> None:
        """Remove `key`; one that is not there is no error."""
        import obstore

        place = self._place(key)
        with self._translated(place, "delete"):
            try:
                obstore.delete(self._store, place.key)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise

    @cached_property
    def _store(self) -> ObjectStore:
        from rota_objectstore.opening import open_store

        return open_store(self, parse_uri(self.uri), self)

    def _place(self, key: str) -> Place:
        return parse_uri(self.uri).at(parse_uri(self.uri).below(key).key)

    @contextmanager
    def _translated(self, place: Place, doing: str) -> Iterator[None]:
        """Say what went wrong as an error of Rota's own that is no task's."""
        try:
            with in_words(self, place, doing):
                yield
        except TaskFailed as error:
            raise RotaError(f"the artifact store: {error.message}", hint=error.hint) from None


class StoredRaw(io.RawIOBase):
    """An artifact in a store, read as one stream, which is asked for when something is read."""

    def __init__(self, bucket: Bucket, place: Place, size: int) -> None:
        super().__init__()
        self._bucket, self._place, self._size = bucket, place, size
        self._at = 0
        self._stream: Any = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        at = max(0, start + offset)
        if at != self._at:
            self._at, self._stream, self._rest = at, None, memoryview(b"")
        return at

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._more()
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._at += count
        return count

    def _more(self) -> memoryview:
        import obstore

        if self._at >= self._size:
            return memoryview(b"")
        with self._bucket._translated(self._place, "read"):  # noqa: SLF001 - one thing in two classes
            if self._stream is None:
                span: GetOptions = {"range": {"offset": self._at}}
                got = obstore.get(self._bucket._store, self._place.key, options=span)  # noqa: SLF001
                self._stream = iter(got.stream(min_chunk_size=_READ))
            data = next(self._stream, None)
        if data is None:
            raise RotaError(f"the artifact store: `{self._place.uri}` ended at {self._at} of {self._size} bytes")
        return memoryview(bytes(data))


class StoredFile(io.BufferedReader):
    """An artifact opened for reading; `origin` is where it is, so that the store can copy it by itself."""

    def __init__(self, raw: StoredRaw, origin: tuple[StoreFields, Place]) -> None:
        super().__init__(raw, 1 << 18)
        self.origin = origin


class _Writer:
    """Collects a small artifact, and sends a large one in parts from a thread of its own."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store, self._key = store, key
        self._buffer = bytearray()
        self._parts: queue.Queue[bytes | None] = queue.Queue(maxsize=2)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._given_up = False

    def write(self, data: Any) -> int:
        self._buffer += data
        while len(self._buffer) >= _PART:
            part = bytes(self._buffer[:_PART])
            del self._buffer[:_PART]
            self._hand_over(part)
        return len(data)

    def flush(self) -> None:
        """Do nothing: an artifact is there at its end or not at all."""

    def finish(self) -> None:
        """Make the artifact appear. Raises the errors of obstore."""
        import obstore

        if self._thread is None:
            obstore.put(self._store, self._key, bytes(self._buffer), use_multipart=False)
            return
        if self._buffer:
            self._hand_over(bytes(self._buffer))
        self._hand_over(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """Have the store drop what it has got."""
        self._given_up = True
        if self._thread is not None:
            self._hand_over(None, quietly=True)
            self._thread.join()

    def _hand_over(self, part: bytes | None, *, quietly: bool = False) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._send, name="rota-artifact", daemon=True)
            self._thread.start()
        while True:
            if self._error is not None:
                if quietly:
                    return
                raise self._error
            try:
                self._parts.put(part, timeout=0.5)
            except queue.Full:
                continue
            return

    def _send(self) -> None:
        import obstore

        async def sent() -> None:
            await obstore.put_async(self._store, self._key, self._taken(), chunk_size=_PART, max_concurrency=4)

        try:
            asyncio.run(sent())
        except BaseException as error:  # noqa: BLE001 - it is raised where the artifact is written
            self._error = error

    async def _taken(self) -> AsyncIterator[bytes]:
        while (part := await asyncio.to_thread(self._parts.get)) is not None:
            yield part
        if self._given_up:
            raise InterruptedError("the artifact is given up")
