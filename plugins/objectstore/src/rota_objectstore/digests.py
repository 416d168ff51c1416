"""Checksums of what is sent: SHA-256 for people, and the ETag that a store gives for the same bytes."""

from __future__ import annotations

import asyncio
import hashlib
import re

MIB = 1 << 20
PART = 8 * MIB
"""The size of a part; what is no larger goes in one piece."""
_MOST_PARTS = 9_999
_MD5_ETAG = re.compile(r'"?([0-9a-f]{32}(?:-\d+)?)"?')


def part_size(size: int) -> int:
    """Return how large the parts of an object of `size` bytes are: a store takes 10,000 of them at most."""
    return max(PART, -(-size // _MOST_PARTS // MIB) * MIB if size > PART * _MOST_PARTS else PART)


def plain(etag: str | None) -> str:
    """Return an ETag without its quotes."""
    return (etag or "").strip('"')


def may_be_md5(etag: str | None) -> bool:
    """Whether an ETag looks like one made from MD5 sums, as S3 makes them unless its own keys encrypt."""
    return _MD5_ETAG.fullmatch(etag or "") is not None


class Digest:
    """Grows with what is sent: `size`, `sha256`, and `etag` of an object in parts of `part` bytes (0: one piece)."""

    def __init__(self, part: int = 0) -> None:
        self.size = 0
        self._part, self._room = part, part
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._done: list[bytes] = []

    @property
    def sha256(self) -> str:
        """The SHA-256 in lower-case hex."""
        return self._sha256.hexdigest()

    @property
    def etag(self) -> str:
        """The ETag, without quotes."""
        if not self._part:
            return self._md5.hexdigest()
        parts = [*self._done, self._md5.digest()] if self._room < self._part else self._done
        return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"

    def add(self, data: bytes) -> None:
        """Take more bytes."""
        self.size += len(data)
        self._sha256.update(data)
        self._add_md5(data)

    async def add_aside(self, data: bytes) -> None:
        """Take more bytes on other threads, both sums at once."""
        self.size += len(data)
        await asyncio.gather(
            asyncio.to_thread(self._sha256.update, data),
            asyncio.to_thread(self._add_md5, data),
        )

    def _add_md5(self, data: bytes) -> None:
        if not self._part:
            self._md5.update(data)
            return
        rest = memoryview(data)
        while rest:
            piece, rest = rest[: self._room], rest[self._room :]
            self._md5.update(piece)
            self._room -= len(piece)
            if not self._room:
                self._done.append(self._md5.digest())
                self._md5, self._room = hashlib.md5(usedforsecurity=False), self._part
