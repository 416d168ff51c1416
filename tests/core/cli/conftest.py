"""A folder with settings and a home of its own for each test of the launcher."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.core.cli.calls import HELLO, Rota


@pytest.fixture
def rota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rota:
    """`rota` in an empty folder that has settings, and `hello.yaml`."""
    for name in [name for name in os.environ if name.startswith("ROTA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("CI", "1")
    monkeypatch.chdir(tmp_path)
    found = Rota(tmp_path, capsys)
    found.write("rota.yaml", "home: .rota\ndurability: process\n")
    found.write("hello.yaml", HELLO)
    return found
