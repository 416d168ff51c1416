"""The sink `apprise.url`, against real receivers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from urllib.parse import parse_qs

import pytest
from plugins.apprise.tests.conftest import Receiver
from pydantic import SecretStr, ValidationError
from tests.lab.silence import Silence
from tests.lab.smtp import Smtp

from rota import Alert, TaskFailed
from rota.testing import RecordedContext
from rota_apprise.sink import Url

TOKEN = "tok3n-tok3n-tok3n"
ALERT = Alert(
    id="0192aa",
    title="bank/backup failed",
    text="what: bank/backup failed\nerror: café & <b>",
    severity="error",
    namespace="bank",
    flow="backup",
    execution_id="e-1",
    state="failed",
    labels={},
    date=datetime(2026, 1, 2, 3, tzinfo=UTC),
)


@pytest.fixture
def shown_by_logs() -> Iterator[StringIO]:
    """Give what a program writes that shows all logs; pytest's own way also shows what is kept from there."""
    stream, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def sink(url: str, **fields: Any) -> Url:
    return Url(url=SecretStr(url), **fields)


def test_json_has_the_text_and_the_id(ctx: RecordedContext, receiver: Receiver) -> None:
    sink(f"json://127.0.0.1:{receiver.port}/hooks/{TOKEN}").send(ALERT, ctx)
    ((path, headers, body),) = receiver.requests
    assert path.rstrip("/") == f"/hooks/{TOKEN}"
    assert headers["Idempotency-Key"] == "0192aa"
    sent = json.loads(body)
    assert (sent["title"], sent["type"]) == ("bank/backup failed", "failure")
    assert sent["message"] == "what: bank/backup failed\nerror: café & <b>\nid: 0192aa"


def test_a_form_and_xml_have_the_id_too(ctx: RecordedContext, receiver: Receiver) -> None:
    for schema in ("form", "xml"):
        sink(f"{schema}://127.0.0.1:{receiver.port}/in").send(ALERT, ctx)
    assert [headers["Idempotency-Key"] for _, headers, _ in receiver.requests] == ["0192aa", "0192aa"]
    assert parse_qs(receiver.requests[0][2].decode())["title"] == ["bank/backup failed"]
    assert b"bank/backup failed" in receiver.requests[1][2]


def test_mattermost_gets_a_message_for_its_webhook(ctx: RecordedContext, receiver: Receiver) -> None:
    hook = "3ccdd113474722377935511fc85d3dd4"
    sink(f"mmost://127.0.0.1:{receiver.port}/{hook}").send(ALERT, ctx)
    ((path, _, body),) = receiver.requests
    assert path == f"/hooks/{hook}"
    assert "bank/backup failed" in json.loads(body)["text"]
    assert "id: 0192aa" in json.loads(body)["text"]


def test_ntfy_gets_a_message_for_its_topic(ctx: RecordedContext, receiver: Receiver) -> None:
    sink(f"ntfy://127.0.0.1:{receiver.port}/alerts").send(ALERT, ctx)
    ((_, _, body),) = receiver.requests
    sent = json.loads(body)
    assert (sent["topic"], sent["title"]) == ("alerts", "bank/backup failed")
    assert "id: 0192aa" in sent["message"]


def test_a_parameter_of_the_url_takes_the_id_where_one_is_named(ctx: RecordedContext, receiver: Receiver) -> None:
    url = f"json://127.0.0.1:{receiver.port}/in?-kind=alert"
    sink(url, id_parameter="-dedup").send(ALERT, ctx)
    ((path, headers, _),) = receiver.requests
    assert parse_qs(path.partition("?")[2]) == {"kind": ["alert"], "dedup": ["0192aa"]}
    assert headers["Idempotency-Key"] is None


def test_mail_goes_out_with_the_id_in_a_header(ctx: RecordedContext, smtp: Smtp) -> None:
    with Smtp.start(login=True) as server:
        login = f"{server.user}:{server.password}@127.0.0.1:{server.port}"
        sink(f"mailto://{login}?from=rota@bank.example&to=dba@bank.example").send(ALERT, ctx)
        (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("rota@bank.example", ("dba@bank.example",))
    assert mail.message["X-Rota-Alert"] == "0192aa"
    assert mail.message["Subject"] == "bank/backup failed"
    assert "error: café" in mail.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("severity", "state", "kind"),
    [
        ("critical", "failed", "failure"),
        ("error", "failed", "failure"),
        ("warning", "sla", "warning"),
        ("info", "success", "info"),
        ("info", "recovered", "success"),
    ],
)
def test_the_kind_of_the_message_is_that_of_the_alert(
    ctx: RecordedContext, receiver: Receiver, severity: str, state: str, kind: str
) -> None:
    sink(f"json://127.0.0.1:{receiver.port}/in").send(replace(ALERT, severity=severity, state=state), ctx)
    assert json.loads(receiver.requests[0][2])["type"] == kind


@pytest.mark.parametrize("schema", ["json", "mmost", "ntfy"])
@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_a_service_that_refuses_is_a_failure_that_shows_nothing_of_the_url(
    ctx: RecordedContext,
    receiver: Receiver,
    shown_by_logs: StringIO,
    capsys: pytest.CaptureFixture[str],
    schema: str,
    status: int,
) -> None:
    receiver.status, receiver.body = status, f'{{"error": "no such hook {TOKEN}", "code": 1}}'.encode()
    found = sink(f"{schema}://us3r-us3r:p4ss-p4ss@127.0.0.1:{receiver.port}/{TOKEN}")
    with pytest.raises(TaskFailed) as failed:
        found.send(ALERT, ctx)
    assert len(receiver.requests) >= 1
    assert failed.value.message.startswith(f"`{schema}`: ")
    captured = capsys.readouterr()
    shown = "\n".join(
        [repr(found), str(failed.value), shown_by_logs.getvalue(), ctx.log.text, captured.out, captured.err]
    )
    for secret in (TOKEN, "us3r-us3r", "p4ss-p4ss"):
        assert secret not in shown


def test_a_service_that_is_down_is_a_failure(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"^`json`: .*\*\*\*"):
        sink(f"json://127.0.0.1:1/{TOKEN}").send(ALERT, ctx)


def test_a_service_that_never_answers_is_given_up(ctx: RecordedContext, silence: Silence) -> None:
    with pytest.raises(TaskFailed, match=r"^`json`: "):
        sink(f"json://127.0.0.1:{silence.port}/in?cto=0.3&rto=0.3").send(ALERT, ctx)


def test_a_mail_server_that_refuses_is_a_failure(ctx: RecordedContext, smtp: Smtp) -> None:
    with Smtp.start(login=True) as server:
        url = f"mailto://rota:wr0ng-wr0ng@127.0.0.1:{server.port}?from=rota@bank.example&to=dba@bank.example"
        with pytest.raises(TaskFailed) as failed:
            sink(url).send(ALERT, ctx)
    assert failed.value.message.startswith("`mailto`: ")
    assert "wr0ng" not in str(failed.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("chat.bank.internal/tok3n-tok3n", "begins with the name of a service"),
        ("nosuch://tok3n-tok3n", "knows no service `nosuch`"),
        ("slack://tok3n-tok3n", "lacks a part"),
        ("pagerduty://", "lacks a part"),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_showing_it(url: str, reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        sink(url)
    assert reason in str(refused.value)
    assert "tok3n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
        "pagerduty://" + "a" * 32 + "@" + "b" * 32,
        "opsgenie://" + "a" * 36,
        "workflows://chat.bank.internal/" + "a" * 32 + "/" + "b" * 43,
        "mailtos://rota:hunter2@bank.example?smtp=smtp.bank.example&to=dba@bank.example",
        "ntfys://ntfy.bank.internal/alerts",
        "mmosts://chat.bank.internal/" + "a" * 26,
    ],
)
def test_the_urls_of_the_readme_are_taken(url: str) -> None:
    assert sink(url).url.get_secret_value() == url


def test_a_long_text_is_cut_to_what_the_service_takes(ctx: RecordedContext, receiver: Receiver) -> None:
    sink(f"ntfy://127.0.0.1:{receiver.port}/alerts").send(replace(ALERT, text="x" * 100_000), ctx)
    assert len(receiver.requests) == 1
    assert len(json.loads(receiver.requests[0][2])["message"]) < 10_000
