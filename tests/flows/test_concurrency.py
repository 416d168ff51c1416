"""Places of a flow: counted from rows, handed on, by key."""

from __future__ import annotations

import pytest

from rota.errors import RotaError
from tests.flows import probe
from tests.flows.harness import Rota

pytestmark = pytest.mark.parametrize("rota", ["sqlite", "postgresql"], indirect=True)

FLOW = """
    inputs: [{{id: env, type: string, default: prod}}, {{id: gate, type: string, default: g}}]
    concurrency: {{limit: {limit}, key: "{{{{ inputs.env }}}}", on_limit: {on_limit}}}
    tasks: [{{id: a, type: probe.hold, gate: "{{{{ inputs.gate }}}}"}}]
    """


def test_a_place_is_waited_for_and_handed_on_in_order(rota: Rota) -> None:
    flow = rota.deploy(FLOW.format(limit=1, on_limit="queue"))
    runs = [rota.begin(flow, {"gate": f"g{n}"}) for n in range(3)]
    other = rota.begin(flow, {"env": "staging", "gate": "other"})
    for number, run in enumerate(runs):
        run.until("a", "running")
        assert [later.state for later in runs[number + 1 :]] == ["queued"] * (2 - number)
        if not number:
            other.until("a", "running")
        probe.gate(f"g{number}").set()
        run.wait()
    probe.gate("other").set()
    assert {run.wait().state for run in [*runs, other]} == {"success"}


@pytest.mark.parametrize(("on_limit", "state"), [("cancel", "cancelled"), ("fail", "failed")])
def test_no_place_may_end_an_execution_at_once(on_limit: str, state: str, rota: Rota) -> None:
    flow = rota.deploy(FLOW.format(limit=1, on_limit=on_limit))
    first = rota.begin(flow).until("a", "running")
    second = rota.begin(flow).wait()
    assert (second.state, second.problem["type"]) == (state, "concurrency")
    assert second.states == {}
    probe.gate("g").set()
    assert first.wait().state == "success"
    assert rota.begin(flow).wait().state == "success"


def test_a_queued_execution_can_be_cancelled(rota: Rota) -> None:
    flow = rota.deploy(FLOW.format(limit=1, on_limit="queue"))
    first = rota.begin(flow, {"gate": "one"}).until("a", "running")
    second, third = rota.begin(flow, {"gate": "two"}), rota.begin(flow, {"gate": "three"})
    second.becomes("queued")
    rota.app.executions.cancel(second.id)
    assert second.wait().state == "cancelled"
    probe.gate("one").set()
    third.until("a", "running")
    probe.gate("three").set()
    assert (first.wait().state, third.wait().state) == ("success", "success")


def test_a_restart_asks_for_a_place_too(rota: Rota) -> None:
    flow = rota.deploy("""
        inputs: [{id: gate, type: string}]
        concurrency: {limit: 1}
        tasks: [{id: a, type: probe.hold, gate: "{{ inputs.gate }}"}, {id: b, type: fail, when: inputs.gate == 'bad'}]
        """)
    probe.gate("bad").set()
    bad = rota.begin(flow, {"gate": "bad"}).wait()
    assert bad.state == "failed"
    good = rota.begin(flow, {"gate": "good"}).until("a", "running")
    rota.app.executions.restart(bad.id)
    bad.becomes("queued")
    probe.gate("good").set()
    assert good.wait().state == "success"
    assert bad.wait().state == "failed"
    assert bad.row["run"] == 2
    assert bad.rows["b"]["attempt"] == 2


def test_a_secret_key_is_refused_before_anything_is_written(rota: Rota) -> None:
    with pytest.raises(RotaError, match="may not steer"):
        rota.run("""
            inputs: [{id: t, type: secret, default: abcdef}]
            concurrency: {limit: 1, key: "{{ inputs.t }}"}
            tasks: [{id: a, type: log, message: x}]
            """)
    assert rota.app.executions.list() == []
