"""Hides secret values wherever text leaves a task: logs, errors, outputs."""

from __future__ import annotations

import json
import re
import shlex
import threading
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""Values under so many characters are not masked: text would be full of holes. Check warns of them."""


class Masker:
    """Knows the secret values of one execution, and takes them out of text in every form they commonly have."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Mask `value` from now on: as it is, line by line, and encoded."""
        if len(value) < SHORTEST or value in self._values:
            return
        with self._lock:
            self._values.add(value)
            self._forms |= _forms(value)
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        """Return `text` with every known secret replaced by `***`."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)

    def __bool__(self) -> bool:
        return self._pattern is not None

    @property
    def longest(self) -> int:
        """The length of the longest form: how much of a chunk must be held back to mask across borders."""
        return max(map(len, self._forms), default=0)


def _forms(value: str) -> set[str]:
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    forms: set[str] = set()
    for part in parts:
        if len(part) >= SHORTEST:
            forms |= _encoded(part)
    return {form for form in forms if len(form) >= SHORTEST}


def _encoded(value: str) -> set[str]:
    data = value.encode("utf-8")
    text = {
        value,
        shlex.quote(value),
        shlex.quote(value)[1:-1] if "'" in value else value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        data.hex(),
        data.hex().upper(),
    }
    return text | _base64_cores(data)


def _base64_cores(data: bytes) -> set[str]:
    """The part of the base64 text that `data` alone decides, at each of the three offsets it may stand at."""
    cores = set()
    for offset in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(b"\0" * offset + data).decode("ascii").rstrip("=")
            first = (0, 2, 3)[offset]
            last = len(text) if (offset + len(data)) % 3 == 0 else len(text) - 1
            core = text[first:last]
            if len(core) >= SHORTEST + 2:
                cores.add(core)
    return cores
