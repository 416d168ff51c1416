"""`rota alerts`: lists, shows, silences, tests, and sends again."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import get_args

import pytest

from rota.alerts.evaluator import Evaluator, Surroundings
from rota.cli.alerts.kinds import KINDS
from rota.flows.alerts import Affair
from rota.server.application import Application
from rota.store import executions, outbox
from tests.core.alerts.office import turn
from tests.core.cli.calls import Rota

SETTINGS = """\
home: .rota
durability: process
sinks:
  - {id: chat, type: log}
  - {id: hook, type: webhook, url: "http://127.0.0.1:9/hooks/hunter2-hunter2", timeout: 1s}
alerts:
  - {id: ops, to: [chat, hook], group: 0s}
"""


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def told(rota: Rota) -> Rota:
    """A folder in which one flow has failed, and one sink of two was told of it."""
    rota.write("rota.yaml", SETTINGS)
    with Application.open(Path("rota.yaml")) as app:
        at = 1_767_225_600.0
        problem = {"type": "TaskFailed", "message": "exit code 4", "task": "dump"}
        row = {"id": "e" * 32, "namespace": "bank", "flow": "backup", "state": "failed", "created_at": at}
        with app.store.write() as conn:
            executions.insert(conn, {**row, "started_at": at, "ended_at": at, "problem": problem})
            outbox.add(conn, [{"execution_id": "e" * 32, "run": 1, "state": "failed", "created_at": at}])

        def submit(write: object) -> object:
            with app.store.write() as conn:
                return write(conn)  # type: ignore[operator]

        backends = lambda: app.resources.secret_backends  # noqa: E731
        around = Surroundings(app.store, app.settings, app.plugins, submit, lambda: True, backends, clock=lambda: at)
        evaluator = Evaluator(around, threading.Event())
        turn(evaluator)
    return rota


def test_list_says_what_is_wrong_and_where_it_went(told: Rota) -> None:
    heading, line = told.ok("alerts", "list").out.splitlines()
    assert heading.split() == ["ID", "ALERT", "SINCE", "UNTIL", "TIMES", "RULE", "TOLD"]
    assert re.search(
        r"^\w{16}  bank/backup failed  2026-01-01 00:00:00 +1 +ops +chat sent, hook queued \(1 try\)$", line
    )


def test_list_as_json_has_the_deliveries(told: Rota) -> None:
    (alert,) = told.ok("alerts", "list", "--json").json["alerts"]
    assert (alert["rule"], alert["kind"], alert["namespace"], alert["flow"]) == ("ops", "execution", "bank", "backup")
    assert (alert["title"], alert["error"], alert["execution"]) == ("bank/backup failed", "exit code 4", "e" * 32)
    assert (alert["opened_at"], alert["closed_at"], alert["count"]) == ("2026-01-01T00:00:00.000+00:00", None, 1)
    chat, hook = sorted(alert["deliveries"], key=lambda one: one["sink"])
    assert (chat["state"], chat["error"], chat["attempts"]) == ("sent", "", 1)
    assert (hook["state"], hook["attempts"]) == ("queued", 1)
    assert "`127.0.0.1` cannot be reached" in hook["error"]
    assert "hunter2" not in json.dumps(alert)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--flow", "bank/backup"], 1),
        (["--flow", "bank/billing"], 0),
        (["--namespace", "bank"], 1),
        (["--namespace", "ban"], 0),
        (["--kind", "execution", "--rule", "ops", "--open"], 1),
        (["--kind", "disk"], 0),
        (["--rule", "other"], 0),
    ],
)
def test_list_takes_filters(told: Rota, options: list[str], count: int) -> None:
    assert len(told.ok("alerts", "list", *options, "--json").json["alerts"]) == count


def test_list_says_when_there_is_nothing(rota: Rota) -> None:
    result = rota.ok("alerts", "list")
    assert (result.out, result.err) == ("", "there are no such alerts\n")


def test_show_tells_of_an_alert_and_of_a_message(told: Rota) -> None:
    (alert,) = told.ok("alerts", "list", "--json").json["alerts"]
    text = told.ok("alerts", "show", alert["id"][:16]).out
    assert text.startswith("bank/backup failed  error  rule ops\n")
    assert "error     exit code 4" in text
    assert "chat: sent at 2026-01-01 00:00:00" in text
    assert "hook: queued, 1 try, next at 2026-01-01 00:00:10: `127.0.0.1` cannot be reached" in text
    message = told.ok("alerts", "show", alert["deliveries"][0]["id"])
    assert "what: bank/backup failed" in message.out
    assert f"alert     {alert['id']}  bank/backup failed" in message.out
    shown = told.ok("alerts", "show", alert["deliveries"][0]["id"], "--json").json
    assert (shown["alerts"], shown["severity"]) == ([alert["id"]], "error")
    assert told.ok("alerts", "show", alert["id"], "--json").json == alert


def test_show_of_what_is_not_there_says_so(told: Rota) -> None:
    result = told("alerts", "show", "nothing")
    assert (result.code, result.err.splitlines()[0]) == (2, "error: there is no alert `nothing`")


def test_retry_sends_what_waits_now(told: Rota) -> None:
    (alert,) = told.ok("alerts", "list", "--json").json["alerts"]
    assert told.ok("alerts", "retry", alert["id"][:16]).out == "1 message is sent again\n"
    (again,) = told.ok("alerts", "list", "--json").json["alerts"]
    hook = next(one for one in again["deliveries"] if one["sink"] == "hook")
    assert hook["next_at"] > "2026-01-02"


def test_silences_are_made_listed_and_ended(rota: Rota) -> None:
    assert rota.ok("alerts", "silences").err == "nothing is silenced\n"
    options = ["--flow", "bank/backup", "--label", "team=data", "--reason", "patching", "--kind", "execution"]
    assert rota.ok("alerts", "silence", "--for", "2h", *options, "--json").json == {"silence": 1}
    said = rota.ok("alerts", "silence", "--for", "1d", "--namespace", "cards").out
    assert said == "silence 2 holds for 1d; `rota alerts unsilence 2` ends it\n"
    found = rota.ok("alerts", "silences", "--json").json["silences"]
    assert [one["id"] for one in found] == [2, 1]
    assert (found[1]["namespace"], found[1]["flow"], found[1]["labels"]) == ("bank", "backup", {"team": "data"})
    table = rota.ok("alerts", "silences").out
    assert "namespace bank, flow backup, kind execution, team=data" in table
    assert rota.ok("alerts", "unsilence", "1").out == "silence 1 has ended\n"
    assert [one["id"] for one in rota.ok("alerts", "silences", "--json").json["silences"]] == [2]
    assert [one["id"] for one in rota.ok("alerts", "silences", "--ended", "--json").json["silences"]] == [2, 1]
    assert rota("alerts", "unsilence", "1").code == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--for", "2h"], "this would silence everything"),
        (["--for", "soon", "--all"], "--for: `soon` is not a duration"),
        (["--for", "2h", "--flow", "backup"], "`backup` names no flow"),
        (["--for", "2h", "--label", "team"], "`team` is no label"),
    ],
)
def test_a_wrong_silence_is_refused(rota: Rota, options: list[str], said: str) -> None:
    result = rota("alerts", "silence", *options)
    assert (result.code, said in result.err) == (2, True)


def test_test_sends_to_all_sinks_or_to_some_and_says_what_failed(told: Rota) -> None:
    everything = told("alerts", "test")
    assert everything.code == 1
    chat, hook = everything.out.splitlines()
    assert chat == "chat: sent"
    assert hook.startswith("hook: failed: `127.0.0.1` cannot be reached")
    assert told.ok("alerts", "test", "chat", "--json").json == {"sinks": {"chat": {"sent": True, "error": ""}}}
    unknown = told("alerts", "test", "nope")
    assert (unknown.code, "there is no sink `nope`" in unknown.err) == (2, True)


def test_test_without_sinks_says_so(rota: Rota) -> None:
    assert rota.ok("alerts", "test").err == "there are no sinks: add them to `sinks` in rota.yaml\n"


def test_commands_know_every_kind() -> None:
    assert get_args(Affair) == KINDS
