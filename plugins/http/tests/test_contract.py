"""Tests of what every plugin keeps: the contract, the README, and nothing loaded before it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rota.testing import check_extension
from rota_http.changed import Changed
from rota_http.download import Download
from rota_http.request import Request

BLOCKS = re.findall(r"```yaml\n(.*?)```", (Path(__file__).parents[1] / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("extension", [Request, Download, Changed])
def test_every_type_keeps_the_contract(extension: type[Request | Download | Changed]) -> None:
    check_extension(extension)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_flows_of_the_readme_pass_the_check(block: str, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yaml"
    flow.write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "rota", "check", str(flow)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_shows_every_type() -> None:
    shown = set(re.findall(r"type: (http\.\w+)", "\n".join(BLOCKS)))
    assert shown == {"http.request", "http.download", "http.changed"}


def test_importing_the_plugin_loads_no_library_of_http() -> None:
    code = "import sys, rota_http.plugin; print(sorted({'httpx', 'httpcore', 'jmespath', 'ssl'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
