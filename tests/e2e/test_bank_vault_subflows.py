"""The bank's subflows for secrets: another namespace uses them without a login to Vault's store of its own."""

from __future__ import annotations

import base64

import pytest

from rota.flows.loader import parse_flow
from tests.e2e.flowruns import FlowRuns, Ran

pytestmark = pytest.mark.xdist_group("bank")

FLOWS = ("store-secret", "read-secret", "rotate-secret")
VALUE = "correct-horse-battery"


@pytest.fixture
def deployed(runs: FlowRuns) -> FlowRuns:
    for name in FLOWS:
        runs.app.flows.deploy(runs.flow(f"vault-subflows/{name}"))
    return runs


def call(runs: FlowRuns, flow: str, **inputs: str) -> Ran:
    """Run a flow of the namespace `payments`, which no secret backend is open to, that calls one of the subflows."""
    given = "".join(f"\n      {name}: '{value}'" for name, value in inputs.items())
    text = f"""
id: caller
namespace: payments
tasks:
  - id: call
    type: subflow
    namespace: bank
    flow: {flow}
    inputs: {given}
outputs: {{answer: "{{{{ outputs.call }}}}"}}
"""
    return runs.run_loaded(parse_flow(text))


def kept(runs: FlowRuns) -> str:
    found: str = runs.bank.vault.request("GET", "secret/data/teams/payments/api")["data"]["data"]["value"]
    return found


@pytest.mark.parametrize("name", FLOWS)
def test_check_finds_nothing(runs: FlowRuns, name: str) -> None:
    assert runs.findings(f"vault-subflows/{name}") == []


def test_another_namespace_stores_reads_and_rotates_and_sees_no_secret(deployed: FlowRuns) -> None:
    stored = call(deployed, "store-secret", path="payments/api", value=VALUE)
    assert (stored.state, set(stored.outputs["answer"])) == ("success", {"execution_id", "version"})
    assert kept(deployed) == VALUE

    read = call(deployed, "read-secret", path="payments/api")
    sealed = read.outputs["answer"]["sealed"]
    assert sealed.startswith("vault:v")
    assert VALUE not in str(read.outputs)
    opened = deployed.bank.vault.request("POST", "transit/decrypt/bank", {"ciphertext": sealed})["data"]["plaintext"]
    assert base64.b64decode(opened).decode() == VALUE

    rotated = call(deployed, "rotate-secret", path="payments/api")
    assert set(rotated.outputs["answer"]) == {"execution_id", "version"}
    assert rotated.outputs["answer"]["version"] == stored.outputs["answer"]["version"] + 1
    assert kept(deployed) != VALUE
    assert kept(deployed) not in str(rotated.outputs) + rotated.log


def test_no_path_leads_out_of_the_teams_folder(deployed: FlowRuns) -> None:
    ran = call(deployed, "read-secret", path="../clusters/db-01")
    assert ran.state == "failed"
    assert "path" in ran.problem


def test_the_caller_alone_has_no_way_to_vault(deployed: FlowRuns) -> None:
    text = """
id: direct
namespace: payments
tasks:
  - {id: look, type: shell, command: "true", env: {LOGIN: "{{ secret('vault/approle#secret_id') }}"}}
"""
    assert deployed.run_loaded(parse_flow(text)).state == "failed"
