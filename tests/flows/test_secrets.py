"""Secrets: where they may be used, and that nobody sees them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.flows import probe
from tests.flows.harness import Rota, Run

VALUE = "s3cr3t-v4lue/with+signs"


@pytest.fixture
def safe(make_rota: Callable[..., Rota], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rota:
    """A home with secrets in variables and in a folder."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "db").write_text(json.dumps({"user": "admin", "password": VALUE}))
    (folder / "only-bank").write_text("bank-only-value")
    monkeypatch.setenv("SECRET_API", "api-token-value")
    monkeypatch.setenv("SECRET_PIN", "123456")
    return make_rota(
        secrets=[
            {"id": "env", "type": "env"},
            {"id": "bank", "type": "file", "folder": str(folder), "namespaces": ["default", "bank"]},
        ]
    )


def nowhere(rota: Rota, run: Run, *values: str) -> None:
    """Check that no row of the database and no file at home holds a value, in clear or simply encoded."""
    shown = json.dumps([run.row, run.rows, run.lines, run.attempts], default=str)
    rota.app.close()
    for value in values:
        raw = value.encode()
        forms = {raw, base64.b64encode(raw).rstrip(b"=")[:-1], raw.hex().encode(), json.dumps(value)[1:-1].encode()}
        assert value not in shown
        for path in rota.home.rglob("*"):
            if path.is_file() and path.suffix != ".yaml":
                data = path.read_bytes()
                for form in forms:
                    assert form not in data, f"{path} holds {form!r}"


def test_secrets_reach_fields_of_both_kinds_and_are_masked_everywhere(safe: Rota) -> None:
    run = safe.run("""
        tasks:
          - id: use
            type: probe.use
            text: "user {{ secret('db#user') }} pw {{ secret('db#password') }}"
            secret: "{{ secret('api') }}"
            anything: "{{ secret('db#password') | b64encode }}"
          - {id: sh, type: shell, command: "printf %s \\"$PW\\" | base64; echo $PW; echo n=$PW >> $ROTA_OUTPUT",
             env: {PW: "{{ secret('db#password') }}"}}
          - {id: bad, type: probe.use, text: "{{ secret('db#password') }}", fail: true, allow_failure: true}
          - {id: err, type: shell, command: "echo $PW >&2; exit 1", env: {PW: "{{ secret('db#password') }}"},
             allow_failure: true}
        """)
    assert run.state == "warning"
    assert probe.seen["used"][0] == (f"user admin pw {VALUE}", "api-token-value", "SecretStr")
    assert run.output("use") == {"text": "***", "secret": "***"}
    assert run.output("sh")["n"] == "***"
    assert run.output("bad") == {"left": "***"}
    assert run.error("bad") == "no luck with ***"
    assert run.error("err").endswith("***")
    assert "text=*** secret=*** any=**********" in run.lines
    nowhere(safe, run, VALUE, "api-token-value")


@pytest.mark.parametrize(
    "task",
    [
        "{id: t, type: log, message: \"{{ secret('api') }}\"}",
        "{id: t, type: log, when: \"secret('api') == 'x'\", message: x}",
        "{id: t, type: sequential, when: \"secret('api') == 'x'\", tasks: [{id: x, type: log, message: x}]}",
        "{id: t, type: foreach, items: \"{{ [secret('api')] }}\", tasks: [{id: x, type: log, message: x}]}",
        "{id: t, type: fleet, targets: [1], key: \"{{ secret('api') }}\", tasks: [{id: x, type: log, message: x}]}",
        "{id: t, type: fleet, targets: [1], select: \"secret('api') == 'x'\", tasks: [{id: x, type: log, message: x}]}",
        "{id: t, type: foreach, items: [1], lock: \"{{ secret('api') }}\", tasks: [{id: x, type: log, message: x}]}",
        "{id: t, type: foreach, items: [1], tasks: [{id: x, type: log, message: x}], collect: {c: secret('api')}}",
        "{id: t, type: repeat, until: \"secret('api') == 'x'\", max_iterations: 2, tasks: [{id: x, type: log, message: x}]}",
        "{id: t, type: log, lock: \"{{ secret('api') }}\", message: x}",
        "{id: t, type: log, timeout: \"{{ secret('api') }}\", message: x}",
        "{id: t, type: fail, message: \"{{ secret('api') }}\"}",
        "{id: t, type: switch, value: \"{{ secret('api') }}\", cases: {a: [{id: x, type: log, message: x}]}}",
        "{id: t, type: sleep, duration: \"{{ secret('api') }}\"}",
        "{id: t, type: subflow, flow: \"{{ secret('api') }}\"}",
    ],
)
def test_a_secret_may_not_steer_the_flow_nor_be_logged(task: str, safe: Rota) -> None:
    run = safe.run(f"tasks:\n  - {task}\n")
    assert run.state == "failed"
    assert "secret" in run.problem["message"]
    nowhere(safe, run, "api-token-value")


def test_a_secret_input_is_encrypted_and_may_not_steer(safe: Rota) -> None:
    run = safe.run(
        """
        inputs: [{id: token, type: secret}]
        variables: {header: "Bearer {{ inputs.token }}"}
        tasks:
          - {id: use, type: probe.use, text: "{{ vars.header }}", secret: "{{ inputs.token }}"}
          - {id: say, type: log, message: "token {{ inputs.token }}"}
          - {id: keep, type: output, values: {t: "{{ inputs.token }}", n: "{{ [inputs.token] }}"}}
          - {id: again, type: probe.use, secret: "{{ outputs.keep.t }}"}
          - {id: steer, type: log, message: x, when: inputs.token == 'x', allow_failure: true}
        """,
        {"token": VALUE},
    )
    assert run.state == "warning", run.problem
    assert [used[:2] for used in probe.seen["used"]] == [(f"Bearer {VALUE}", VALUE), ("", VALUE)]
    assert run.output("keep")["t"].get_secret_value() == VALUE
    assert "may not steer" in run.error("steer")
    nowhere(safe, run, VALUE)


def test_secret_outputs_are_stored_encrypted_and_secret_again(safe: Rota) -> None:
    run = safe.run("""
        tasks:
          - {id: login, type: probe.login, token: made-in-the-run}
          - {id: use, type: probe.use, text: "Bearer {{ outputs.login.token }}", secret: "{{ outputs.login.token }}"}
          - {id: say, type: log, message: "{{ outputs.login.user }}"}
          - {id: show, type: log, message: "{{ outputs.login }}"}
          - {id: set_it, type: set, values: {token: "{{ outputs.login.token }}"}}
          - {id: via, type: probe.use, secret: "{{ vars.token }}"}
        outputs: {token: "{{ outputs.login.token }}", user: "{{ outputs.login.user }}"}
        """)
    assert run.state == "success", (run.problem, run.lines)
    assert probe.seen["used"] == [
        ("Bearer made-in-the-run", "made-in-the-run", "NoneType"), ("", "made-in-the-run", "NoneType"),
    ]  # fmt: skip
    assert run.outputs == {"token": "***", "user": "me"}
    assert "me" in run.lines
    nowhere_but_source(safe, run, "made-in-the-run")


def nowhere_but_source(rota: Rota, run: Run, value: str) -> None:
    """The value stands in the flow's own source here: only the rows of the run are looked at."""
    from sqlalchemy import text

    with rota.app.store.read() as conn:
        for table in ("executions", "task_runs", "attempts", "iterations", "logs", "outbox", "task_state"):
            for row in conn.execute(text(f"SELECT * FROM {table}")):
                assert value not in str(tuple(row)), (table, row)


def test_a_backend_is_open_to_its_namespaces_alone(safe: Rota) -> None:
    source = "tasks: [{id: use, type: probe.use, secret: \"{{ secret('only-bank') }}\", retry: {attempts: 3}}]"
    assert safe.run(source, namespace="bank.core").state == "success"
    run = safe.run(source, namespace="other")
    assert run.state == "failed"
    assert "no secret `only-bank` for namespace `other`" in run.problem["message"]
    assert run.rows["use"]["attempt"] == 1


def test_a_secret_of_several_lines_is_masked_line_by_line(make_rota: Callable[..., Rota], monkeypatch: Any) -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----"
    monkeypatch.setenv("SECRET_KEY", key)
    rota = make_rota()
    run = rota.run("""
        tasks:
          - {id: sh, type: shell, command: "cat > k; cat k; cut -c1- k >&2; head -c 100 /dev/zero | tr '\\\\0' 'x'; cat k",
             env: {K: "{{ secret('key') }}"}, input: "{{ secret('key') }}"}
          - {id: two, type: shell, command: "echo \\"$K\\"", env: {K: "{{ secret('key') }}"}}
        """)
    assert run.state == "success", run.lines
    text = "\n".join(run.lines) + json.dumps(run.output("two"))
    assert "MIIEvQ" not in text
    assert "BKcwgg" not in text


def test_a_secret_cut_in_two_is_hidden_at_both_ends(make_rota: Callable[..., Rota], monkeypatch: Any) -> None:
    monkeypatch.setenv("SECRET_LONG", "abcdefghijklmnopqrstuvwxyz")
    rota = make_rota()
    run = rota.run("""
        tasks:
          - id: line
            type: python
            env: {S: "{{ secret('long') }}"}
            code: |
              import os
              print("." * (65536 - 10) + os.environ["S"] + "tail")
          - id: tail
            type: python
            env: {S: "{{ secret('long') }}"}
            code: |
              import os
              print("\\n".join(["." * 100] * 100) + os.environ["S"] + "-" * (65536 - 11), end="")
        """)
    assert run.state == "success", run.lines
    everything = "\n".join(run.lines) + run.output("tail")["stdout"] + run.output("line")["stdout"]
    for part in ("abcd", "ghij", "klmn", "wxyz"):
        assert part not in everything
