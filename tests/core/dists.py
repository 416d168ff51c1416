"""Installs throw-away plugins for a test: real dists, with metadata and entry points, on the module path."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

_NUMBERS = itertools.count()


class Dists:
    """A folder on the module path, in which dists are installed; `modules` made here are forgotten after the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = monkeypatch
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.syspath_prepend(str(folder))

    def install(
        self, name: str, source: str, *, dist: str = "", version: str = "1.0", entry: str = "", folder: str = ""
    ) -> str:
        """Install a plugin called `name` whose module is `source`; return the name of the module.

        `entry` is the name of the entry point, when it is not `name`; `folder` is another place on the path.
        """
        place = self._folder
        if folder:
            place = self._folder / folder
            place.mkdir(exist_ok=True)
            self._patch.syspath_prepend(str(place))
        dist = dist or f"rota-{name}"
        module = f"throwaway_{next(_NUMBERS)}"
        (place / f"{module}.py").write_text(source)
        info = place / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[rota]\n{entry or name} = {module}\n")
        self._patch.delitem(sys.modules, module, raising=False)
        return module


@pytest.fixture
def dists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dists:
    return Dists(tmp_path / "site", monkeypatch)
