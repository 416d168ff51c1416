"""Webhook triggers without HTTP: who may call, what a call starts, and how it is answered."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from rota.triggers.webhook import Call
from tests.core.triggers.conftest import Clockwork

FLOW = """
id: hooked
namespace: data
inputs: [{id: name, type: string, default: nobody}]
triggers:
  - id: push
    type: webhook
    token: "{{ secret('hook#token') }}"
    hmac: "{{ secret('hook#key') }}"
    idempotency_key: trigger.event.headers['x-delivery']
    max_size: 2000
    when: trigger.event.body.kind != 'ping'
    inputs: {name: "{{ trigger.event.body.name }}"}
tasks: [{id: say, type: log, message: "{{ inputs.name }}"}]
"""


@pytest.fixture
def hook(clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    monkeypatch.setenv("SECRET_HOOK__TOKEN", "t0ken-of-the-hook")
    monkeypatch.setenv("SECRET_HOOK__KEY", "k3y-of-the-hook")
    clockwork.deploy(FLOW)
    return clockwork


def call(body: Any, delivery: str = "1", *, token: str = "t0ken-of-the-hook", key: str = "k3y-of-the-hook") -> Call:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new(key.encode(), content, hashlib.sha256).hexdigest()
    headers = {"authorization": f"Bearer {token}", "x-hub-signature-256": f"sha256={signature}"}
    return Call({**headers, "content-type": "application/json", "x-delivery": delivery}, content)


def receive(clockwork: Clockwork, one: Call) -> Any:
    return clockwork.app.triggers.receive("data", "hooked", "push", one)


def test_a_call_starts_the_flow_once_for_its_key(hook: Clockwork) -> None:
    first = receive(hook, call({"kind": "push", "name": "Ada"}))
    again = receive(hook, call({"kind": "push", "name": "Ada"}))
    other = receive(hook, call({"kind": "push", "name": "Bo"}, "2"))
    assert [answer.status for answer in (first, again, other)] == [202, 200, 202]
    assert again.execution_id == first.execution_id
    rows = hook.ended("hooked", 2)
    assert {row["inputs"]["name"] for row in rows} == {"Ada", "Bo"}
    event = rows[0]["trigger"]["event"]
    assert event["body"]["kind"] == "push"
    assert "authorization" not in event["headers"]
    assert hook.trigger("hooked", "push")["execution_id"] == other.execution_id


def test_a_call_that_when_says_no_to_starts_nothing(hook: Clockwork) -> None:
    answer = receive(hook, call({"kind": "ping"}))
    assert (answer.status, answer.execution_id) == (200, None)
    assert hook.executions("hooked") == []


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (call({}, token="wrong"), 401),
        (call({}, token=""), 401),
        (call({}, key="wrong"), 401),
        (call(b"x" * 2001), 413),
        (call(b"{not json"), 400),
        (call(b"\xff\xfe"), 400),
        (call({"kind": "push"}, ""), 422),
    ],
)
def test_a_call_that_is_wrong_is_refused_and_starts_nothing(hook: Clockwork, one: Call, status: int) -> None:
    answer = receive(hook, one)
    assert answer.status == status
    assert "t0ken" not in answer.message
    assert "k3y" not in answer.message
    assert hook.executions("hooked") == []


def test_a_webhook_that_is_not_there_or_is_off_looks_the_same(hook: Clockwork) -> None:
    wrong = [("data", "hooked", "pull"), ("data", "nothing", "push")]
    answers = [hook.app.triggers.receive(*name, call({})) for name in wrong]
    hook.app.triggers.switch("data", "hooked", "push", enabled=False)
    answers.append(receive(hook, call({})))
    assert {answer.status for answer in answers} == {404}
    assert len(set(answers)) == 1


def test_a_secret_that_cannot_be_had_is_the_servers_fault(hook: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_HOOK__KEY")
    answer = receive(hook, call({"kind": "push", "name": "Ada"}))
    assert (answer.status, "HOOK" in answer.message) == (503, False)


def test_an_empty_key_lets_nobody_in(hook: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_HOOK__KEY", "")
    assert receive(hook, call({"kind": "push", "name": "Ada"}, key="")).status == 401
    monkeypatch.setenv("SECRET_HOOK__TOKEN", "")
    assert receive(hook, call({"kind": "push", "name": "Ada"}, token="", key="")).status == 401
    assert hook.executions("hooked") == []
