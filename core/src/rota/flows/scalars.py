"""The scalars of YAML 1.2's core schema: what a plain text such as `12`, `true` or `~` means."""

from __future__ import annotations

import re
from typing import Any

PREFIX = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, STR = (PREFIX + name for name in ("null", "bool", "int", "float", "str"))
MAP, SEQ = PREFIX + "map", PREFIX + "seq"

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_WORD_TAGS = {
    word: NULL if value is None else BOOL if isinstance(value, bool) else FLOAT for word, value in _WORDS.items()
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


def tag_of(text: str) -> str:
    """Return the tag of a plain scalar: `NULL`, `BOOL`, `INT`, `FLOAT` or `STR`."""
    if text in _WORD_TAGS:
        return _WORD_TAGS[text]
    if text[0] not in _NUMBER_STARTS:
        return STR
    if _INT.fullmatch(text):
        return INT
    return FLOAT if _FLOAT.fullmatch(text) else STR


def value_of(tag: str, text: str) -> Any:
    """Return the value of a scalar with one of the tags that `tag_of` gives.

    Raises ValueError when the text does not fit the tag (`!!int x`) or has too many digits.
    """
    if tag == STR:
        return text
    found = tag_of(text)
    if found != tag and (tag, found) != (FLOAT, INT):
        raise ValueError(f"`{text[:40]}` is not of the type `{tag.removeprefix(PREFIX)}`")
    if text in _WORDS:
        return _WORDS[text]
    if tag == FLOAT:
        return float(text)
    if text[:2] in ("0o", "0x"):
        return int(text, 0)
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"a number with {len(text)} digits is too long") from None


def looks_octal(text: str) -> bool:
    """Say whether `text` is a number that YAML 1.1 would have read as octal: `0644`."""
    return _LEADING_ZERO.fullmatch(text) is not None
