"""Hides secret values wherever text leaves a task: logs, errors, outputs."""

from __future__ import annotations

import json
import re
import shlex
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""Values under so many characters are not masked: text would be full of holes. Check warns of them."""
_WRAPPED = (64, 76)
"""How long the lines are that programs break base64 text into."""


class Masker:
    """Knows the secret values of one execution, and takes them out of text in every form they commonly have."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """Mask `value` from now on: as it is, line by line, and encoded."""
        self._learn([value])

    def add_all(self, secret: Any) -> None:
        """Mask every text and number in `secret`, which may be a tree of lists and mappings."""
        self._learn(_texts(secret))

    def _learn(self, values: Any) -> None:
        new = [value for value in values if len(value) >= SHORTEST and value not in self._values]
        if not new:
            return
        with self._lock:
            self._values.update(new)
            for value in new:
                self._forms |= _forms(value)
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return `text` with every known secret replaced by `***`."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)

    def __bool__(self) -> bool:
        return self._pattern is not None

    def piece(self, text: str, *, follows: bool, goes_on: bool) -> str:
        """Return a piece of a longer text masked, at its borders too.

        `follows` says that something was cut off before it, `goes_on` that something comes after it: where a
        secret was cut in two, both parts are hidden as far as they have four characters.
        """
        if follows:
            text = self._without_end_of_secret(text)
        if goes_on:
            text = self._without_start_of_secret(text)
        return self(text)

    def start(self, text: str) -> str:
        """Return a text whose start was cut off with what it starts with hidden if a secret ends so."""
        return self._without_end_of_secret(text)

    def _without_end_of_secret(self, text: str) -> str:
        """Hide what `text` starts with if a secret ends so."""
        head, longest = text[:SHORTEST], 0
        for form in self._known():
            at = form.find(head, 1)
            while at > 0:
                if text.startswith(form[at:]):
                    longest = max(longest, len(form) - at)
                    break
                at = form.find(head, at + 1)
        return MASK + text[longest:] if longest >= SHORTEST else text

    def _without_start_of_secret(self, text: str) -> str:
        """Hide what `text` ends with if a secret starts so."""
        tail, longest = text[-SHORTEST:], 0
        for form in self._known():
            at = form.rfind(tail, 0, len(form) - 1)
            while at >= 0:
                if text.endswith(form[: at + SHORTEST]):
                    longest = max(longest, at + SHORTEST)
                    break
                at = form.rfind(tail, 0, at + SHORTEST - 1)
        return text[: len(text) - longest] + MASK if longest >= SHORTEST else text

    def _known(self) -> list[str]:
        with self._lock:
            return list(self._forms)


def _texts(secret: Any) -> Iterator[str]:
    if isinstance(secret, str):
        yield secret
    elif isinstance(secret, bytes):
        yield secret.decode("utf-8", "replace")
    elif isinstance(secret, Mapping):
        for item in secret.values():
            yield from _texts(item)
    elif isinstance(secret, (list, tuple, set, frozenset)):
        for item in secret:
            yield from _texts(item)
    elif secret is not None and not isinstance(secret, bool):
        yield str(secret)


def _forms(value: str) -> set[str]:
    parts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    forms: set[str] = set()
    for part in parts:
        if len(part) >= SHORTEST:
            forms |= _encoded(part)
    return {form for form in forms if len(form) >= SHORTEST}


def _encoded(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogatepass")
    urls = {quote(data, safe=""), quote(data), quote_plus(data)}
    text = {
        value,
        shlex.quote(value),
        shlex.quote(value)[1:-1] if "'" in value else value,
        re.sub(r"([^\w@%+=:,./-])", r"\\\1", value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        *urls,
        *(re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), url) for url in urls),
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
            cores.add(text[first:last])
            if offset == 0:
                cores |= {text[at : min(at + width, last)] for width in _WRAPPED for at in range(0, last, width)}
    return {core for core in cores if len(core) >= SHORTEST + 2}
