"""The bytes a child program writes, turned into lines and into what is kept of the end."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable

TAIL = 64 * 1024
"""How many bytes of the end of an output are kept."""

LONGEST_LINE = 64 * 1024
"""How many characters a line may have before it is cut into several."""


class Tail:
    """Keeps the last 64 KiB of an output; `truncated` says whether there was more."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._kept: bytes | bytearray = bytearray()
        self.truncated = False

    def add(self, data: bytes) -> None:
        if len(data) >= TAIL:
            self.truncated = self.truncated or bool(self._kept) or len(data) > TAIL
            self._kept = data
            return
        if isinstance(self._kept, bytes):
            self._kept = bytearray(self._kept)
        self._kept += data
        # Cutting at twice the size moves each byte once.
        if len(self._kept) > 2 * TAIL:
            self._cut()

    def text(self) -> str:
        """Return what is kept, decoded; a character that the cut went through is left out."""
        if len(self._kept) > TAIL:
            self._cut()
        text = bytes(self._kept)
        if self.truncated and codecs.lookup(self._encoding).name == "utf-8":
            broken = next((at for at in range(min(4, len(text))) if text[at] & 0xC0 != 0x80), 0)
            text = text[broken:]
        return text.decode(self._encoding, "replace")

    def _cut(self) -> None:
        self._kept = self._kept[-TAIL:]
        self.truncated = True


class LineSplitter:
    r"""Cuts an output into lines and gives them on, many at a time, without their ends.

    `\n`, `\r\n` and a lone `\r` (a progress bar) end a line. What cannot be decoded becomes U+FFFD.
    A line over 64 Ki characters is given in pieces.
    """

    def __init__(self, give: Callable[[list[str]], object], encoding: str) -> None:
        self._give = give
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._rest = ""

    def add(self, data: bytes, *, last: bool = False) -> None:
        """Take the next bytes, and give on the lines that they complete; with `last` what is left, too."""
        text = self._rest + self._decoder.decode(data, final=last)
        lines = text.split("\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE or (last and self._rest):
            cut = len(self._rest) if last else len(self._rest) // LONGEST_LINE * LONGEST_LINE
            lines.append(self._rest[:cut])
            self._rest = self._rest[cut:]
        if lines:
            self._give(_bounded(lines) if len(text) > LONGEST_LINE else lines)


def _bounded(lines: list[str]) -> list[str]:
    if max(map(len, lines)) <= LONGEST_LINE:
        return lines
    pieces: list[str] = []
    for line in lines:
        pieces += [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)] or [""]
    return pieces
