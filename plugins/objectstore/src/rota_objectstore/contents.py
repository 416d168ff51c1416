"""What is to be stored: bytes, a file, an artifact, or an object of another store; read in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from rota_objectstore.digests import Digest
from rota_objectstore.failures import Damaged

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Content(Protocol):
    """Bytes that can be read from their start more than once; `sha256` is what they should have, where known."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str | None: ...

    def chunks(self, size: int) -> AsyncIterator[bytes]:
        """Give all bytes, in pieces of about `size`."""
        ...


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file holds; `open` opens it."""

    open: Callable[[], IO[bytes]]
    size: int
    sha256: str | None = None

    async def chunks(self, size: int) -> AsyncIterator[bytes]:
        """Give all bytes, in pieces of about `size`."""
        with self.open() as file:
            while data := file.read(size):
                yield data


@dataclass(frozen=True, slots=True)
class ObjectContent:
    """What an object of a store holds; a change of it in the middle is an error of the store."""

    store: ObjectStore
    key: str
    size: int
    sha256: str | None = None
    version: str | None = None

    async def chunks(self, size: int) -> AsyncIterator[bytes]:
        """Give all bytes, in pieces of about `size`."""
        import obstore

        options = {"version": self.version} if self.version else {}
        got = await obstore.get_async(self.store, self.key, options=options)  # type: ignore[arg-type]
        async for data in got.stream(min_chunk_size=size):
            yield bytes(data)


async def digest_of(content: Content, part: int = 0) -> Digest:
    """Read a content once and return its checksums. Raises Damaged when it is not what it should be."""
    digest = Digest(part)
    async for data in content.chunks(1 << 22):
        digest.add(data)
    check(content, digest)
    return digest


def check(content: Content, digest: Digest) -> None:
    """Raise Damaged when what was read is not what the content should be."""
    if digest.size != content.size:
        raise Damaged(f"the source gave {digest.size} bytes instead of {content.size}: it changed or was cut short")
    if content.sha256 is not None and digest.sha256 != content.sha256:
        raise Damaged("the source has another checksum than it should: it changed or is damaged")
