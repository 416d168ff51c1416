"""Alert sinks `log` and `webhook`, against a server of our own."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr, ValidationError

from rota import Alert, TaskFailed
from rota.builtin.sinks import LogSink, Webhook
from rota.testing import RecordedContext

ALERT = Alert(
    id="a-1",
    title="backup failed",
    text="3 of 57 targets: `db-7`, …",
    severity="error",
    namespace="data.mongo",
    flow="nightly-backup",
    execution_id="e-1",
    state="failed",
    labels={"team": "data"},
    date=datetime(2026, 1, 2, 3, tzinfo=UTC),
)


@dataclass
class Receiver:
    """What came in, and what is answered."""

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, Message, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/token123"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            received.requests.append((self.command, self.path, self.headers, body))
            self.send_response(received.status)
            for name, value in {"Content-Length": "4", **received.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"busy")

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield received
        server.shutdown()
        thread.join()


def test_log_writes_the_alert_at_its_severity(ctx: RecordedContext) -> None:
    LogSink().send(ALERT, ctx)
    [line] = ctx.log.lines
    assert (line.level, line.message) == ("error", "backup failed: 3 of 57 targets: `db-7`, …")
    assert line.fields == {"alert": "a-1", "flow": "nightly-backup", "execution": "e-1"}


def test_webhook_posts_json_that_can_be_deduplicated(ctx: RecordedContext, receiver: Receiver) -> None:
    Webhook(url=SecretStr(receiver.url), headers={"Authorization": SecretStr("Bearer x")}).send(ALERT, ctx)
    [(method, path, headers, body)] = receiver.requests
    assert (method, path) == ("POST", "/hooks/token123")
    assert headers["Idempotency-Key"] == "a-1"
    assert headers["Authorization"] == "Bearer x"
    assert headers["Content-Type"] == "application/json"
    sent = json.loads(body)
    assert (sent["title"], sent["labels"], sent["date"]) == (
        "backup failed", {"team": "data"}, "2026-01-02T03:00:00+00:00",
    )  # fmt: skip


def test_webhook_logs_in_as_the_url_says(ctx: RecordedContext, receiver: Receiver) -> None:
    url = receiver.url.replace("//", "//bob:hunter%202%3A@")
    Webhook(url=SecretStr(url)).send(ALERT, ctx)
    [(_, path, headers, _)] = receiver.requests
    assert (path, headers["Authorization"]) == ("/hooks/token123", f"Basic {b64encode(b'bob:hunter 2:').decode()}")
    with pytest.raises(TaskFailed, match=r"`127.0.0.1` cannot be reached") as failed:
        Webhook(url=SecretStr("http://bob:hunter2@127.0.0.1:1/")).send(ALERT, ctx)
    assert "hunter2" not in str(failed.value)


def test_webhook_signs_the_body(ctx: RecordedContext, receiver: Receiver) -> None:
    Webhook(url=SecretStr(receiver.url), hmac_key=SecretStr("k")).send(ALERT, ctx)
    [(_, _, headers, body)] = receiver.requests
    assert headers["X-Hub-Signature-256"] == f"sha256={hmac.new(b'k', body, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_webhook_fails_with_the_answer_and_without_the_url(
    status: int, ctx: RecordedContext, receiver: Receiver
) -> None:
    receiver.status = status
    with pytest.raises(TaskFailed, match=f"`127.0.0.1` answered {status}: busy") as failed:
        Webhook(url=SecretStr(receiver.url)).send(ALERT, ctx)
    assert "token123" not in str(failed.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_webhook_follows_no_redirect(status: int, ctx: RecordedContext, receiver: Receiver) -> None:
    receiver.status, receiver.headers = status, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    with pytest.raises(TaskFailed, match=f"answered {status}"):
        Webhook(url=SecretStr(receiver.url)).send(ALERT, ctx)
    assert len(receiver.requests) == 1


def test_webhook_gives_up_on_a_server_that_never_answers(ctx: RecordedContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = SecretStr(f"http://127.0.0.1:{silent.getsockname()[1]}/token123")
        with pytest.raises(TaskFailed, match=r"`127.0.0.1` cannot be reached") as failed:
            Webhook(url=url, timeout=timedelta(seconds=0.1)).send(ALERT, ctx)
    assert "token123" not in str(failed.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "x", "https://", ""])
def test_webhook_takes_http_only(url: str) -> None:
    with pytest.raises(ValidationError, match="starts with `https://`"):
        Webhook(url=SecretStr(url))


def test_webhook_takes_no_url_with_a_space() -> None:
    with pytest.raises(ValidationError, match="has a space in it: write `%20`"):
        Webhook(url=SecretStr("https://chat.bank.internal/hooks/ ops"))


def test_webhook_shows_no_secret() -> None:
    sink = Webhook(url=SecretStr("https://x/token123"), hmac_key=SecretStr("key123"), headers={"A": SecretStr("h123")})
    assert "123" not in repr(sink)
