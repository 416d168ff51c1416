"""Waiting for people: typed answers, approvers, time limits."""

from __future__ import annotations

import pytest

from rota.errors import Conflict, InputError, UsageError
from tests.flows.harness import Rota, eventually

ASK = """
    inputs: [{id: env, type: string, default: prod}]
    tasks:
      - id: ask
        type: pause
        inputs:
          - {id: count, type: int, min: 1}
          - {id: why, type: string, default: "for {{ inputs.env }}"}
          - {id: token, type: secret, default: hush-hush}
        approvers: [ann, bob]
      - {id: use, type: probe.use, text: "{{ outputs.ask.count + 1 }} {{ outputs.ask.why }} {{ outputs.ask.by }}",
         secret: "{{ outputs.ask.token }}"}
    """


def test_a_pause_takes_typed_answers_from_approvers(rota: Rota) -> None:
    run = rota.start(ASK).until("ask", "paused").becomes("paused")
    executions = rota.app.executions
    with pytest.raises(Conflict, match="may not resume"):
        executions.resume(run.id, inputs={"count": 1}, author="eve")
    with pytest.raises(InputError, match="at least 1"):
        executions.resume(run.id, inputs={"count": 0}, author="ann")
    with pytest.raises(InputError, match="is missing"):
        executions.resume(run.id, author="ann")
    executions.resume(run.id, inputs={"count": 4, "token": "from-a-person"}, author="ann")
    run.wait()
    assert run.state == "success", (run.problem, run.lines)
    assert run.output("use")["text"] == "5 for prod ann"
    assert "from-a-person" not in str(run.rows)
    assert b"from-a-person" not in b"".join(path.read_bytes() for path in rota.home.glob("rota.db*") if path.is_file())
    assert run.output("ask")["token"].get_secret_value() == "from-a-person"
    with pytest.raises(Conflict):
        executions.resume(run.id, author="ann")


def test_a_pause_may_be_rejected(rota: Rota) -> None:
    run = rota.start(ASK).until("ask", "paused")
    with pytest.raises(Conflict, match="may not resume"):
        rota.app.executions.resume(run.id, reject=True, author="eve")
    rota.app.executions.resume(run.id, reject=True, author="bob")
    run.wait()
    assert (run.state, run.problem["type"]) == ("failed", "rejected")


@pytest.mark.parametrize(
    ("how", "state", "task"),
    [
        ("duration: 20ms", "success", "success"),
        ("duration: 20ms, approvers: [a]", "failed", "failed"),
        ("duration: 20ms, approvers: [a], on_timeout: continue", "success", "success"),
        ("duration: 20ms, approvers: [a], on_timeout: cancel", "cancelled", "cancelled"),
        ("duration: 20ms, on_timeout: fail", "failed", "failed"),
    ],
)
def test_a_pause_ends_by_itself_as_it_says(how: str, state: str, task: str, rota: Rota) -> None:
    run = rota.run(f"tasks: [{{id: p, type: pause, {how}}}]")
    assert (run.state, run.states["p"]) == (state, task)


def test_one_of_several_is_named(rota: Rota) -> None:
    run = rota.start("""
        tasks:
          - id: f
            type: fleet
            targets: [x, y]
            tasks: [{id: ask, type: pause}, {id: say, type: log, message: "{{ target }}"}]
        """)
    run.until("f[x]/ask", "paused").until("f[y]/ask", "paused").becomes("paused")
    executions = rota.app.executions
    with pytest.raises(UsageError, match="more than one"):
        executions.resume(run.id)
    executions.resume(run.id, task="f[y]/ask")
    run.until("f[y]/say", "success")
    assert run.state == "paused"
    executions.resume(run.id, task="f[x]/ask")
    assert run.wait().lines == ["y", "x"]


def test_a_timeout_stands_still_while_a_person_is_waited_for(rota: Rota) -> None:
    run = rota.start("""
        timeout: 2s
        tasks: [{id: ask, type: pause}, {id: a, type: log, message: a}]
        """).becomes("paused")
    import time

    paused = time.monotonic()
    eventually(lambda: time.monotonic() > paused + 2.2)
    rota.app.executions.resume(run.id)
    assert run.wait().state == "success"


def test_answers_survive_a_change_of_the_process(rota: Rota) -> None:
    rota.deploy(
        "tasks: [{id: ask, type: pause, inputs: [{id: n, type: int}]}, {id: a, type: output, values: {n: '{{ outputs.ask.n }}'}}]\noutputs: {n: '{{ outputs.a.n }}'}",
        "asks",
    )
    rota.app.conductor(server=True)
    run = rota.begin("asks").becomes("paused")
    rota.reopen()
    rota.app.executions.resume(run.id, inputs={"n": 3})
    rota.app.conductor(server=True)
    run.app = rota.app
    assert run.wait().outputs == {"n": 3}
