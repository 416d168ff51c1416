"""Tests of what every plugin keeps: the contract, the README, and nothing loaded before it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rota import Task, Trigger
from rota.testing import RunFlow, check_extension
from rota_mongo.plugin import register_task_types, register_triggers

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
TYPES = [*register_task_types(), *register_triggers()]


@pytest.mark.parametrize("extension", TYPES)
def test_every_type_keeps_the_contract(extension: type[Task | Trigger]) -> None:
    check_extension(extension)


def test_the_flows_of_the_readme_pass_the_check(tmp_path: Path) -> None:
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"flow-{number}.yaml").write_text(block, encoding="utf-8")
    flows = [str(path) for path in sorted(tmp_path.glob("*.yaml"))]
    done = subprocess.run(
        [sys.executable, "-m", "rota", "check", *flows], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert flows
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_shows_every_type() -> None:
    names = "find aggregate insert update replace delete bulk_write command create_index health stats step_down"
    names += " wait_for_primary create_user grant rotate_password export import dump restore query change_stream"
    assert set(re.findall(r"type: mongo\.(\w+)", "\n".join(BLOCKS))) == set(names.split())
    assert len(TYPES) == len(names.split())


def test_importing_the_plugin_loads_no_library_of_mongodb() -> None:
    code = "import sys, rota_mongo.plugin; print(sorted({'pymongo', 'bson', 'dns', 'ssl'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_flow_writes_finds_and_hands_on(run_flow: RunFlow, mongodb_uri: str, mongodb_database: str) -> None:
    run = run_flow(
        f"""
        id: orders
        namespace: test
        defaults:
          mongo.*: {{uri: "{{{{ secret('mongo#uri') }}}}", database: {mongodb_database}, collection: orders}}
        tasks:
          - id: write
            type: mongo.insert
            documents:
              - {{_id: 1, at: "{{{{ execution.started_at }}}}", amount: 5, token: "{{{{ secret('mongo#token') }}}}"}}
              - {{_id: 2, at: {{$date: "2026-07-01T02:00:00Z"}}, amount: 7}}
          - id: read
            type: mongo.find
            filter: {{at: {{$gte: {{$date: "2026-01-01T00:00:00Z"}}}}, _id: {{$in: [1, 2]}}}}
            sort: {{_id: -1}}
          - id: again
            type: mongo.find
            filter: {{at: "{{{{ outputs.read.documents[0].at }}}}"}}
        outputs:
          found: "{{{{ outputs.again.documents | map(attribute='_id') | list }}}}"
          token: "{{{{ outputs.read.documents[1].token }}}}"
        """,
        secrets={"mongo#uri": mongodb_uri, "mongo#token": "the-token-itself"},
    )
    assert run.state == "success", run.log
    assert run.outputs == {"found": [2], "token": "***"}
    assert mongodb_uri not in run.log
