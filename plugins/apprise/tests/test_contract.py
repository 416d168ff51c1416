"""Tests of what every plugin keeps: the contract, the README, and nothing loaded before it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rota.testing import check_extension
from rota_apprise import plugin

TYPES = [*plugin.register_alert_sinks()]
README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("extension", TYPES, ids=lambda extension: extension.__name__)
def test_every_type_keeps_the_contract(extension: type) -> None:
    check_extension(extension)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_settings_of_the_readme_are_right(block: str, tmp_path: Path) -> None:
    (tmp_path / "rota.yaml").write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "rota", "alerts", "list"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_shows_every_type() -> None:
    words = [re.sub(r"(?<!^)(?=[A-Z])", "_", extension.__name__).lower() for extension in TYPES]
    assert set(re.findall(r"type: apprise\.(\w+)", "\n".join(BLOCKS))) == set(words)


def test_importing_the_plugin_loads_no_library_of_others() -> None:
    code = "import sys, rota_apprise.plugin; print(sorted({'apprise', 'requests', 'markdown'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
