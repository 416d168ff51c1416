"""Tests of what every plugin keeps: the contract, the README, and nothing loaded before it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rota.testing import check_extension
from rota_vault import plugin
from rota_vault.backends import Dynamic, Kv, VaultBackend

TYPES = [*plugin.register_task_types(), *plugin.register_secret_backends()]
README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
FLOWS = [block for block in BLOCKS if "\ntasks:" in block]
SETTINGS = [block for block in BLOCKS if block.startswith("secrets:")]


@pytest.mark.parametrize("extension", TYPES, ids=lambda extension: extension.__name__)
def test_every_type_keeps_the_contract(extension: type) -> None:
    check_extension(extension)


@pytest.mark.parametrize("block", FLOWS)
def test_the_flows_of_the_readme_pass_the_check(block: str, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yaml"
    flow.write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "rota", "check", str(flow)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_secret_backends_of_the_readme_are_valid() -> None:
    [block] = SETTINGS
    types: dict[str, type[VaultBackend]] = {"vault.kv": Kv, "vault.dynamic": Dynamic}
    for backend in yaml.safe_load(block)["secrets"]:
        fields = {name: value for name, value in backend.items() if name not in {"id", "type"}}
        types[backend["type"]](**fields)


def test_the_readme_shows_every_type() -> None:
    words = [re.sub(r"(?<!^)(?=[A-Z])", "_", extension.__name__).lower() for extension in TYPES]
    assert set(re.findall(r"type: vault\.(\w+)", "\n".join(BLOCKS))) == set(words)


def test_importing_the_plugin_loads_no_library_of_vault() -> None:
    code = "import sys, rota_vault.plugin; print(sorted({'hvac', 'requests', 'urllib3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
