"""The fixture `run_flow`: a flow through the real application."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota.errors import FlowError
from rota.testing import RunFlow


def test_a_flow_is_run_to_its_end(run_flow: RunFlow) -> None:
    run = run_flow(
        """
        id: count
        namespace: test
        inputs: [{id: n, type: int, default: 4}]
        tasks:
          - {id: double, type: shell, command: ["sh", "-c", "echo twice=$((N * 2)) > $ROTA_OUTPUT"],
             env: {N: "{{ inputs.n }}"}}
          - {id: right, type: assert, conditions: ["outputs.double.twice == '6'", "inputs.n == 3"]}
          - {id: say, type: log, message: "twice is {{ outputs.double.twice }}"}
        outputs: {twice: "{{ outputs.double.twice }}"}
        """,
        {"n": 3},
    )
    assert (run.state, run.outputs, run.error) == ("success", {"twice": "6"}, "")
    assert run.tasks == {"double": "success", "right": "success", "say": "success"}
    assert run.log == "twice is 6"


def test_secrets_of_the_test_reach_the_flow_and_are_masked(run_flow: RunFlow) -> None:
    run = run_flow(
        """
        id: secret
        namespace: test
        tasks:
          - id: use
            type: shell
            command: 'test "$P" = hunter2 && test "$Q" = whole-one && echo "it is $P"'
            env: {P: "{{ secret('db#password') }}", Q: "{{ secret('whole') }}"}
        """,
        secrets={"db#password": "hunter2", "whole": "whole-one"},
    )
    assert run.state == "success", run.error
    assert "hunter2" not in run.log
    assert "it is ***" in run.log


def test_a_failure_says_why(run_flow: RunFlow) -> None:
    run = run_flow("{id: x, namespace: test, tasks: [{id: a, type: shell, command: 'echo oh >&2; exit 3'}]}")
    assert (run.state, run.tasks) == ("failed", {"a": "failed"})
    assert run.error == "the program ended with exit code 3: oh"


def test_a_file_is_run_with_the_files_beside_it(run_flow: RunFlow, tmp_path: Path) -> None:
    (tmp_path / "report.py").write_text("print('from the file')")
    flow = tmp_path / "flow.yaml"
    flow.write_text("{id: x, namespace: test, files: [report.py], tasks: [{id: a, type: python, script: report.py}]}")
    assert run_flow(flow).log == "from the file"


def test_variables_that_set_gives_are_seen_by_what_comes_later(run_flow: RunFlow) -> None:
    run = run_flow(
        """
        id: x
        namespace: test
        variables: {a: 1, b: 1}
        tasks:
          - {id: one, type: set, values: {b: 2}}
          - {id: two, type: kv.set, key: k, value: "{{ [vars.a, vars.b] }}"}
          - {id: three, type: kv.get, key: k}
        outputs: {found: "{{ outputs.three.value }}"}
        """
    )
    assert (run.state, run.outputs) == ("success", {"found": [1, 2]}), run.error


def test_a_flow_that_does_not_load_is_refused(run_flow: RunFlow) -> None:
    with pytest.raises(FlowError):
        run_flow("{id: x, namespace: test, tasks: [{id: a}]}")


def test_a_flow_that_does_not_end_is_told_with_what_it_did(run_flow: RunFlow) -> None:
    flow = """
    id: x
    namespace: test
    tasks:
      - {id: say, type: log, message: here}
      - {id: wait, type: sleep, duration: 1h}
    """
    with pytest.raises(AssertionError, match="did not end within"):
        run_flow(flow, timeout=0.2)
