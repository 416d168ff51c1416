"""The example of the language checks without a word."""

from __future__ import annotations

from collections.abc import Callable

from rota.errors import Finding
from tests.core.flows.test_loader import EXAMPLE


def test_the_example_of_the_language_has_no_findings(findings: Callable[..., list[Finding]]) -> None:
    assert findings(EXAMPLE, {"report.py": "print(1)\n"}) == []
