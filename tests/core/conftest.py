"""The tests of the core see the core alone, whichever plugins of this repository are installed beside it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from typing import Any

import pytest

OURS = "rota_"
"""What the modules of this repository's plugins begin with; those that tests install are named otherwise."""


@pytest.fixture(autouse=True)
def no_plugins_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = importlib.metadata.entry_points

    def without_ours(**wanted: Any) -> Any:
        found: Any = entry_points(**wanted)
        if wanted.get("group") != "rota":
            return found
        points: Iterable[importlib.metadata.EntryPoint] = found
        return importlib.metadata.EntryPoints(point for point in points if not point.value.startswith(OURS))

    monkeypatch.setattr(importlib.metadata, "entry_points", without_ours)
