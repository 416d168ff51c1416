"""Apprise's URLs: the service they name, a parameter more, and texts with nothing of them left in."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_SCHEMA = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9+.-]*)://")
_SHORTEST = 3
"""Parts of a URL under so many characters are in every text."""
_BORDERS = re.compile(r"[/:@?&=,;#+\s]+")


def schema_of(url: str) -> str:
    """Return the name of the service that a URL is for, "" where it is no URL."""
    found = _SCHEMA.match(url)
    return found[1].lower() if found else ""


def with_parameter(url: str, name: str, value: str) -> str:
    """Return `url` with a parameter more; one of that name that is there already stays, and counts."""
    sign, key = (name[0], name[1:]) if name[0] in "+:-" else ("", name)
    # The sign in front is a mark of Apprise's own, which is not to be quoted.
    parameter = f"{sign}{quote(key, safe='')}"
    if f"?{parameter}=" in url or f"&{parameter}=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}{parameter}={quote(value, safe='')}"


def without_secrets(text: str, url: str) -> str:
    """Return `text` with every part of `url` behind its schema replaced: any of them may be a secret."""
    rest = _SCHEMA.sub("", url)
    pieces = {piece for piece in (*_BORDERS.split(rest), *_BORDERS.split(unquote(rest))) if len(piece) >= _SHORTEST}
    pieces |= {quote(piece, safe="") for piece in pieces} | {unquote(piece) for piece in pieces}
    for piece in sorted(pieces, key=len, reverse=True):
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(piece)}(?![A-Za-z0-9])", "***", text)
    return text
