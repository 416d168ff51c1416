"""Masking: in which forms a secret is found, and what becomes of one that was cut in two."""

from __future__ import annotations

import base64
import json
import shlex
import textwrap
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.executions.masking import MASK, Masker

VALUE = "p4ss/w0rd+'x\" &ü"
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda value: json.dumps({"a": value}),
    "json with unicode": lambda value: json.dumps({"a": value}, ensure_ascii=False),
    "shell": lambda value: f"export A={shlex.quote(value)}",
    "shell with backslashes": lambda value: "".join(f"\\{c}" if c in " &'\"" else c for c in value),
    "url": lambda value: f"https://h/?a={quote(value, safe='')}",
    "url path": lambda value: f"https://h/{quote(value)}",
    "form": lambda value: f"a={quote_plus(value)}&b=1",
    "url in small letters": lambda value: quote(value, safe="").lower() if value.islower() else quote(value, safe=""),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "repr": lambda value: repr({"a": value}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_common_form(form: str) -> None:
    masker = Masker()
    masker.add(VALUE)
    masked = masker(f"before {FORMS[form](VALUE)} after")
    assert MASK in masked
    assert "p4ss" not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
def test_base64_is_found_at_every_offset(encode: Callable[[bytes], bytes], before: int, after: int) -> None:
    masker = Masker()
    secret = "correct-horse-battery-staple?>"
    masker.add(secret)
    text = encode(b"u" * before + secret.encode() + b"z" * after).decode()
    masked = masker(text)
    assert MASK in masked
    assert len(masked.replace(MASK, "")) <= 12, "no more is left than what others' bytes have part in"


@pytest.mark.parametrize("width", [64, 76])
def test_long_base64_is_found_where_it_is_wrapped(width: int) -> None:
    masker = Masker()
    secret = "".join(chr(97 + n * 7 % 26) for n in range(300))
    masker.add(secret)
    for line in textwrap.wrap(base64.b64encode(secret.encode()).decode(), width):
        if len(line) > 8:
            assert MASK in masker(line)


def test_a_secret_of_several_lines_is_found_line_by_line() -> None:
    masker = Masker()
    masker.add("-----BEGIN-----\nabcdefgh\r\n  ijklmnop\nxy\n-----END-----\n")
    assert masker("key: abcdefgh") == f"key: {MASK}"
    assert masker("    ijklmnop") == f"    {MASK}"
    assert masker("xy stays, it is too short") == "xy stays, it is too short"


def test_short_values_are_not_masked() -> None:
    masker = Masker()
    masker.add("abc")
    masker.add("")
    assert not masker
    assert masker("abc") == "abc"


def test_the_longer_of_two_secrets_goes_first() -> None:
    masker = Masker()
    masker.add("pass")
    masker.add("password1")
    assert masker("password1 pass") == f"{MASK} {MASK}"


def test_trees_of_secrets_are_learned_to_their_leaves() -> None:
    masker = Masker()
    masker.add_all({"user": "admin1", "pins": [12345, True, None, 1.25], "raw": b"bytes-here"})
    assert masker("admin1 12345 True None 1.25 bytes-here") == f"{MASK} {MASK} True None {MASK} {MASK}"


@given(
    secret=st.text(st.characters(codec="utf-8", exclude_characters="*.\n\r"), min_size=12, max_size=60),
    cut=st.integers(4, 8),
)
@settings(deadline=None, max_examples=60)
def test_the_halves_of_a_cut_secret_are_hidden(secret: str, cut: int) -> None:
    masker = Masker()
    masker.add(secret)
    first, second = (
        masker.piece(f"....{secret[:cut]}", follows=False, goes_on=True),
        masker.piece(f"{secret[cut:]}....", follows=True, goes_on=False),
    )
    assert first.endswith(MASK)
    assert second.startswith(MASK)
    assert secret[:cut] not in first or secret[:cut].strip("*.") == ""


def test_a_piece_without_a_cut_secret_stays() -> None:
    masker = Masker()
    masker.add("0123456789")
    assert masker.piece("nothing here", follows=True, goes_on=True) == "nothing here"
    assert masker.piece("678 is only three", follows=True, goes_on=False) == "678 is only three"
    assert masker.start("56789 rest") == f"{MASK} rest"
    assert Masker().piece("x", follows=True, goes_on=True) == "x"


@given(st.text(min_size=4, max_size=40), st.text(max_size=40), st.text(max_size=40))
@settings(deadline=None, max_examples=100)
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    masker = Masker()
    masker.add(secret)
    masked = masker(before + secret + after)
    assert MASK in masked
    if secret not in before + after and not set(secret) & set(MASK):
        assert secret not in masked.replace(MASK, "\x00")
