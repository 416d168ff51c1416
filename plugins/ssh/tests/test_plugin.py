"""What every extension of the plugin must keep, and what the README says of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rota import Task, Trigger
from rota.testing import check_extension
from rota_ssh.command import Command
from rota_ssh.download import Download
from rota_ssh.file_appeared import FileAppeared
from rota_ssh.script import Script
from rota_ssh.upload import Upload

TYPES: dict[str, type[Task | Trigger]] = {
    "ssh.command": Command,
    "ssh.script": Script,
    "ssh.upload": Upload,
    "ssh.download": Download,
    "ssh.file_appeared": FileAppeared,
}
README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", TYPES)
def test_it_keeps_the_contract_of_extensions(name: str) -> None:
    check_extension(TYPES[name])


def test_importing_the_plugin_loads_neither_paramiko_nor_cryptography() -> None:
    code = "import sys, rota_ssh.plugin; print({'paramiko', 'cryptography', 'nacl', 'bcrypt'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def blocks() -> list[Any]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)]


def test_the_readme_has_a_block_for_each_type() -> None:
    assert {item["type"] for block in blocks() for item in block} == set(TYPES)


@pytest.mark.parametrize("item", [item for block in blocks() for item in block], ids=lambda item: item["id"])
def test_what_the_readme_shows_is_valid(item: dict[str, Any]) -> None:
    keys = {"id", "type", "interval", "timeout", "retry", "description"}
    fields = {name: value for name, value in item.items() if name not in keys}
    TYPES[item["type"]].model_validate({name: rendered(value) for name, value in fields.items()})


def rendered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rendered(one) for name, one in value.items()}
    return "rendered" if "{{" in str(value) else value
