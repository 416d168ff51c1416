"""A server that is killed in the middle of sending: the next one sends the same message, under the same id."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rota.store import conductors, open_store
from tests.core.cli.calls import Rota
from tests.core.cli.conftest import rota
from tests.core.server.test_alerts import until

__all__ = ["rota"]


@dataclass
class Receiver:
    """What came in; nothing is answered before `answers` is set."""

    port: int = 0
    got: list[tuple[str, str]] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            received.got.append((self.headers["Idempotency-Key"], body["title"]))
            received.answers.wait(60)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield received
        received.answers.set()
        server.shutdown()
        thread.join()


def test_what_was_being_sent_when_the_server_was_killed_is_sent_again(
    rota: Rota, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    url = f"http://127.0.0.1:{receiver.port}/hook"
    rota.write(
        "rota.yaml",
        "home: .rota\ndurability: process\nlease: 1s\n"
        f"sinks: [{{id: chat, type: webhook, url: '{url}', timeout: 60}}]\n"
        "alerts: [{id: ops, to: [chat], about: [execution], group: 0s}]\n",
    )
    rota.write("bad.yaml", "id: bad\nnamespace: team\ntasks: [{id: a, type: fail, message: on purpose}]\n")
    rota.ok("flows", "deploy", "bad.yaml")
    rota.ok("run", "team/bad", "--detach")  # left to a server, whenever that is there
    with rota.begin("serve") as first:
        until(lambda: len(receiver.got) == 1)
        first.kill()
        first.wait(30)
    assert states(rota) == ["queued"]
    receiver.answers.set()
    with rota.begin("serve"):
        until(lambda: states(rota) == ["sent"])
    assert [title for _, title in receiver.got] == ["team/bad failed"] * 2
    assert len({one for one, _ in receiver.got}) == 1


def states(rota: Rota) -> list[str]:
    (alert,) = rota.ok("alerts", "list", "--json").json["alerts"]
    return [one["state"] for one in alert["deliveries"]]


def test_of_two_servers_the_one_that_is_left_tells_that_the_other_died_and_goes_on(
    rota: Rota, receiver: Receiver, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROTA_STORE", postgres_url)
    receiver.answers.set()
    rota.write(
        "rota.yaml",
        "home: .rota\ndurability: process\nlease: 1s\n"
        f"sinks: [{{id: chat, type: webhook, url: 'http://127.0.0.1:{receiver.port}/hook'}}]\n"
        "alerts: [{id: ops, to: [chat], group: 0s}]\n",
    )
    rota.write("bad.yaml", "id: bad\nnamespace: team\ntasks: [{id: a, type: fail, message: on purpose}]\n")
    rota.ok("migrate")
    rota.ok("flows", "deploy", "bad.yaml")
    with rota.begin("serve") as first:
        rota.ok("run", "team/bad", "--detach")
        until(lambda: titles(receiver) == ["team/bad failed"])
        with rota.begin("serve"):
            until(lambda: serving(postgres_url) == 2)
            first.kill()
            until(lambda: len(receiver.got) == 2)
            rota.ok("run", "team/bad", "--detach")
            until(lambda: count_of(rota, "team/bad failed") == 2)
    died = titles(receiver)[1]
    assert died.startswith("a server on `")
    assert died.endswith("lost its lease")
    assert len(receiver.got) == 2


def titles(receiver: Receiver) -> list[str]:
    return [title for _, title in receiver.got]


def count_of(rota: Rota, title: str) -> int:
    alerts = rota.ok("alerts", "list", "--json").json["alerts"]
    return next((int(one["count"]) for one in alerts if one["title"] == title), 0)


def serving(url: str) -> int:
    store = open_store(url)
    try:
        with store.read() as conn:
            return sum(row["state"] == "serving" for row in conductors.every(conn))
    finally:
        store.close()
