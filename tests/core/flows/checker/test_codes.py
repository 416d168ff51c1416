"""Every code that is used is in the table, and every code of the table is used."""

from __future__ import annotations

import re
from pathlib import Path

import rota.flows
from rota.flows.checker import CODES

FLOWS = Path(rota.flows.__file__).parent
TESTS = Path(__file__).parent


def used() -> set[str]:
    texts = [path.read_text("utf-8") for path in FLOWS.rglob("*.py") if path.name != "codes.py"]
    quoted = {code for text in texts for code in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)}
    return quoted & CODES.keys()


def reported() -> set[str]:
    """Codes at the place where a finding is made."""
    pattern = re.compile(r'(?:Finding\(|exam\.report\(|_refuse\(|_fault\()\s*"([a-z-]+)"')
    return {code for path in FLOWS.rglob("*.py") for code in pattern.findall(path.read_text("utf-8"))}


def test_every_code_that_is_reported_is_in_the_table() -> None:
    assert reported() - CODES.keys() == set()


def test_every_code_of_the_table_is_used() -> None:
    assert CODES.keys() - used() == set()


def test_every_code_that_check_finds_has_a_test() -> None:
    texts = "".join(path.read_text("utf-8") for path in TESTS.glob("test_*.py"))
    assert [code for code, info in CODES.items() if info.stage == "check" and f"{code} @" not in texts] == []


def test_codes_are_kebab_case_and_say_what_they_mean() -> None:
    for code, info in CODES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert info.summary
        assert info.severity in ("error", "warning")
