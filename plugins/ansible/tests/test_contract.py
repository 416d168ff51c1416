"""The extensions keep the contract, and importing them loads no SDK."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rota import Task
from rota.testing import check_extension
from rota_ansible.plugin import register_task_types


@pytest.mark.parametrize("cls", list(register_task_types()), ids=lambda cls: cls.__name__)
def test_each_type_keeps_the_contract(cls: type[Task]) -> None:
    check_extension(cls)


def test_importing_the_plugin_loads_neither_ansible_nor_its_runner() -> None:
    code = "import rota_ansible.plugin, sys; print([name for name in sys.modules if name.startswith('ansible')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
