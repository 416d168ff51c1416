"""Sinks get their secrets, show none of them, and say what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from pydantic import SecretStr

from rota import Alert, Context, Secret, SecretBackend
from rota.errors import RotaError, SecretError, SettingsError
from rota.extensions import Lease
from rota.store import deliveries
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import SINKS, Office, Recorder

RULE = "alerts: [{id: ops, to: [chat], group: 0s}]\n"
WITH_SECRET = "sinks: [{id: chat, type: record, token: \"{{ secret('chat#token') }}\"}]\n" + RULE
revoked: list[str] = []


class Safe(SecretBackend):
    """Secrets of a test."""

    values: Mapping[str, str] = {}
    leased: bool = False

    def get(self, path: str, ctx: Context) -> Secret | None:
        if path not in self.values:
            return None
        lease = Lease("l-1", timedelta(seconds=60)) if self.leased else None
        return Secret({"token": SecretStr(self.values[path])}, lease)

    def revoke(self, lease: Lease) -> None:
        revoked.append(lease.id)


def opened(office: Open, settings: str = WITH_SECRET, *, leased: bool = False, **values: str) -> Office:
    return office(settings, backends={"safe": Safe(values=values, leased=leased)})


def test_a_sink_gets_a_secret_that_is_shown_nowhere(office: Open, caplog: pytest.LogCaptureFixture) -> None:
    desk = opened(office, chat="hunter2-hunter2")
    seen: list[str] = []

    def tell(alert: Alert, ctx: Context) -> None:
        seen.append(ctx.secret("chat#token").get_secret_value())
        ctx.log.info("sending with hunter2-hunter2", token="hunter2-hunter2")
        raise ValueError("https://user:hunter2-hunter2@chat refused, aHVudGVyMi1odW50ZXIy")

    desk.behave("chat", tell)
    desk.ends()
    with caplog.at_level("DEBUG", "rota"):
        desk.settle()
    assert seen == ["hunter2-hunter2"]
    (row,) = desk.deliveries()
    assert row["last_error"] == "ValueError: https://user:***@chat refused, ***"
    assert "hunter2" not in str(row)
    assert "hunter2" not in caplog.text
    assert "sending with ***" in caplog.text


def test_a_secret_that_changes_is_asked_for_again_after_a_failure(office: Open) -> None:
    values = {"chat": "old-old-old"}
    desk = office(WITH_SECRET, backends={"safe": Safe.model_construct(values=values)})
    sinks = desk.evaluator._sinks
    sink = sinks.ready("chat").sink
    assert isinstance(sink, Recorder)
    assert sink.token == SecretStr("old-old-old")
    values["chat"] = "new-new-new"
    assert sinks.ready("chat").sink is sink
    sinks.forget("chat")
    again = sinks.ready("chat").sink
    assert isinstance(again, Recorder)
    assert again.token == SecretStr("new-new-new")


def test_a_sink_whose_secret_cannot_be_had_is_a_failing_sink(office: Open) -> None:
    settings = "sinks: [{id: chat, type: record, token: \"{{ secret('chat#token') }}\"}, {id: mail, type: record}]\n"
    desk = opened(office, settings + RULE)
    desk.ends()
    desk.pass_time(120)
    (alert,) = desk.got("mail")
    assert alert.title == "sink `chat` fails"
    assert "rota.yaml:1:9: sink `chat`: there is no secret `chat`" in alert.text
    with desk.store.read() as conn:
        waiting = [row for row in deliveries.page(conn) if row["sink"] == "chat"]
    assert [row["state"] for row in waiting] == ["queued"]


@pytest.mark.parametrize(
    ("fields", "error", "reason"),
    [
        (
            "token: \"{{ secret('other#token') }}\"",
            SecretError,
            "rota.yaml:1:9: sink `chat`: there is no secret `other`",
        ),
        ("token: \"{{ secret('chat#key') }}\"", SecretError, "secret `chat` has no field `key`"),
        ('token: "{{ vars.x }}"', RotaError, "sink `chat`: `vars.x`"),
        ('token: "{{ 1 + }}"', RotaError, "sink `chat`: `1 +`: it is no expression"),
        ("tokken: x", SettingsError, "rota.yaml:1:34: unknown key `tokken`\n  hint: did you mean `token`?"),
        ("place: [1]", SettingsError, "rota.yaml:1:41: `place` must be text"),
    ],
)
def test_what_is_wrong_with_a_sink_is_said_with_its_place(
    office: Open, fields: str, error: type[RotaError], reason: str
) -> None:
    desk = opened(office, f"sinks: [{{id: chat, type: record, {fields}}}]", chat="hunter2-hunter2")
    with pytest.raises(error) as refused:
        desk.evaluator._sinks.ready("chat")
    assert reason in str(refused.value)


def test_a_sink_of_an_unknown_type_is_said_to_be_one(office: Open) -> None:
    desk = office("sinks: [{id: chat, type: recrod}]")
    with pytest.raises(SettingsError, match="unknown alert sink `recrod`"):
        desk.evaluator._sinks.ready("chat")


def test_a_secret_with_a_lease_is_refused_and_its_lease_revoked(office: Open) -> None:
    revoked.clear()
    desk = opened(office, leased=True, chat="hunter2-hunter2")
    with pytest.raises(SecretError, match="has a lease, which nobody would renew"):
        desk.evaluator._sinks.ready("chat")
    assert revoked == ["l-1"]


@pytest.mark.parametrize("what", ["workdir", "kv", "artifacts", "state"])
def test_a_sink_has_nothing_of_an_execution(office: Open, what: str) -> None:
    desk = office(SINKS + RULE)
    desk.behave("chat", lambda _, ctx: getattr(ctx, what))
    desk.ends()
    desk.settle()
    (row,) = desk.deliveries()
    assert row["last_error"].startswith("a sink has no ")
