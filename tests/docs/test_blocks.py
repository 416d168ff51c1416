"""Every block of YAML and Python in the pages is right."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml

from rota.errors import Finding
from rota.flows.checker import check
from rota.flows.loader import parse_flow
from rota.plugins import Plugins
from rota.settings import load_settings
from tests.docs.blocks import Block, blocks

YAML = list(blocks("yaml"))
PYTHON = list(blocks("python"))


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins()


def flow_text(block: Block) -> str:
    """Return the flow that the block is, or is a part of."""
    text = textwrap.dedent(block.text)
    return f"id: example\ntasks:\n{textwrap.indent(text, '  ')}" if block.kind == "task" else text


def is_about_the_text_around(finding: Finding) -> bool:
    """Whether a finding is about what a fragment does not show: tasks, inputs and files named elsewhere."""
    return finding.code in {"unknown-output", "unknown-task", "unknown-input", "unknown-variable", "unknown-name"} | {
        "flow-file",
        "unknown-file",
        "unknown-subflow",
        "unknown-flow",
        "not-in-scope",
    }


@pytest.mark.parametrize("block", YAML, ids=str)
def test_a_block_of_yaml_is_a_flow_tasks_or_settings_that_check(
    block: Block, plugins: Plugins, tmp_path: Path
) -> None:
    if block.kind in ("settings", "secret", "alert", "artifact"):
        data = yaml.safe_load(block.text)
        file = tmp_path / "rota.yaml"
        file.write_text(yaml.safe_dump(data if isinstance(data, dict) else {"secrets": data}))
        if block.kind == "settings":
            load_settings(file, env={})
        return
    loaded = parse_flow(flow_text(block), str(block))
    findings = check(loaded, plugins)
    errors = [finding for finding in findings if finding.severity == "error"]
    if block.kind == "task":
        errors = [finding for finding in errors if not is_about_the_text_around(finding)]
    assert not errors, "\n".join(map(str, errors))


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_block_of_python_runs(block: Block) -> None:
    if block.kind == "fragment":
        compile(block.text, str(block), "exec")
        return
    exec(compile(block.text, str(block), "exec"), {"__name__": "example"})  # noqa: S102 - our own pages


def test_there_are_blocks_to_check() -> None:
    assert len(YAML) > 10
    assert len(PYTHON) > 1
