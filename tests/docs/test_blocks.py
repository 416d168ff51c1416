"""Every block of YAML and Python in the pages is right."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from rota.flows.checker import check
from rota.flows.document import parse_document
from rota.flows.loader import parse_flow
from rota.plugins import Plugins
from rota.settings import load_settings
from tests.docs.blocks import Block, blocks

YAML = list(blocks("yaml"))
PYTHON = list(blocks("python"))


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins()


FRAGMENT = frozenset({"maybe-undefined", "missing-file", "not-yet-run", "unknown-name", "unknown-output"}) | {
    "unknown-flow",
    "unknown-input",
    "unknown-task",
    "unknown-variable",
}
"""What check says of a part of a flow because it does not see the rest of it."""


def is_settings(data: Any) -> bool:
    return isinstance(data, dict) and not {"id", "tasks", "triggers"} & data.keys()


def flow_text(text: str, data: Any, plugins: Plugins) -> str:
    """Return the flow that a block is, or is a part of: a list of tasks, or of triggers."""
    text = textwrap.dedent(text)
    if isinstance(data, dict):
        return text if "tasks" in data else f"{text}\nid: example\ntasks: [{{id: start, type: log, message: begun}}]\n"
    triggers = plugins.type_names("trigger")
    part = "triggers" if any(item["type"] in (*triggers, "schedule", "flow", "webhook") for item in data) else "tasks"
    rest = "tasks: [{id: start, type: log, message: begun}]\n" if part == "triggers" else ""
    return f"id: example\n{rest}{part}:\n{textwrap.indent(text, '  ')}"


@pytest.mark.parametrize("block", YAML, ids=str)
def test_a_block_of_yaml_is_a_flow_tasks_triggers_or_settings_that_check(
    block: Block, plugins: Plugins, tmp_path: Path
) -> None:
    data = parse_document(textwrap.dedent(block.text), str(block)).data
    if is_settings(data):
        file = tmp_path / "rota.yaml"
        file.write_text(textwrap.dedent(block.text))
        load_settings(file, env={}, plugin_names=plugins.names)
        return
    if block.kind in ("secret", "alert"):
        return  # an extension's example, which its contract test validates
    findings = check(parse_flow(flow_text(block.text, data, plugins), str(block)), plugins)
    errors = [finding for finding in findings if finding.severity == "error"]
    if isinstance(data, list):
        errors = [finding for finding in errors if finding.code not in FRAGMENT]
    assert not errors, "\n".join(map(str, errors))


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_block_of_python_runs(block: Block) -> None:
    if block.kind == "fragment":
        compile(block.text, str(block), "exec")
        return
    exec(compile(block.text, str(block), "exec"), {"__name__": "example"})


def test_there_are_blocks_to_check() -> None:
    assert len(YAML) > 10
    assert len(PYTHON) > 1
