"""The bytes that a host writes, turned into lines and into what is kept of the end."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable

from rota_ssh.launcher import Launch

TAIL = 64 * 1024
"""How many bytes of the end of an output are kept."""

LONGEST_LINE = 64 * 1024
"""How many characters a line may have before it is cut into several."""


class Tail:
    """Keeps the last 64 KiB of an output; `truncated` says whether there was more."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self.truncated = False

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._kept += data[-TAIL:]
        if len(self._kept) > TAIL or len(data) > TAIL:
            self.truncated = True
        if len(self._kept) > 2 * TAIL:  # cutting at twice the size moves each byte once
            del self._kept[:-TAIL]

    @property
    def text(self) -> str:
        """What is kept, as UTF-8; a character that the cut went through is left out, any other fault is U+FFFD."""
        data = bytes(self._kept[-TAIL:])
        if self.truncated:
            start = next((at for at, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
            data = data[start:]
        return data.decode("utf-8", "replace")


class Lines:
    r"""Cuts an output into lines and gives each on without its end.

    `\n`, `\r\n` and a lone `\r` (a progress bar) end a line. What is not UTF-8 becomes U+FFFD.
    """

    def __init__(self, give: Callable[[str], object]) -> None:
        self._give = give
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._rest: list[str] = []
        self._length = 0

    def add(self, data: bytes, *, last: bool = False) -> None:
        """Take the next bytes, and give on the lines that they complete; with `last` what is left, too."""
        first, *others = self._decoder.decode(data, final=last).split("\n")
        self._rest.append(first)
        self._length += len(first)
        for line in others:
            self._flush(whole=True)
            self._rest, self._length = [line], len(line)
        if self._length > LONGEST_LINE or (last and self._length):
            self._flush(whole=last)

    def _flush(self, *, whole: bool) -> None:
        text = "".join(self._rest)
        at = 0
        while len(text) - at > LONGEST_LINE:
            self._give(text[at : at + LONGEST_LINE])
            at += LONGEST_LINE
        self._rest, self._length = [text[at:]], len(text) - at
        if whole:
            self._give(text[at:])
            self._rest, self._length = [], 0


class Marks:
    """Takes the launcher's marks out of standard error, up to the one that says that the command starts."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._held = b""
        self._over = False

    def add(self, data: bytes) -> tuple[bytes, list[str]]:
        """Return what is the host's own of `data`, and the marks that were complete, in order."""
        if self._over:
            return data, []
        data, marks, clean = self._held + data, [], b""
        while (found := self._launch.find_mark(data)) is not None:
            start, end, says = found
            clean += data[:start]
            marks.append(says)
            data = data[end:]
        self._over = any(mark.startswith("started") for mark in marks)
        keep = 0 if self._over else _beginning(data, self._launch.mark_start)
        self._held = data[len(data) - keep :]
        return clean + data[: len(data) - keep], marks

    def rest(self) -> bytes:
        """Return what was held back because it might have been a mark."""
        held, self._held = self._held, b""
        return held


def _beginning(data: bytes, mark: bytes) -> int:
    """Return how many bytes at the end of `data` may be the beginning of a mark."""
    at = data.rfind(mark)
    if at >= 0 and len(data) - at < len(mark) + 40:
        return len(data) - at
    return next((size for size in range(min(len(mark) - 1, len(data)), 0, -1) if data.endswith(mark[:size])), 0)
