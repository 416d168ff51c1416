"""Alert sink `mail`, against a real mail server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr, ValidationError

from rota import Alert, TaskFailed
from rota.builtin.mail import Mail
from rota.testing import RecordedContext, check_extension
from tests.lab.certificates import CertificateAuthority
from tests.lab.silence import Silence
from tests.lab.smtp import Smtp

ALERT = Alert(
    id="0192-a",
    title="bank/backup failed: café\nand more",
    text="what: bank/backup failed\nerror: naïve",
    severity="critical",
    namespace="bank",
    flow="backup",
    execution_id="e-1",
    state="failed",
    labels={},
    date=datetime(2026, 1, 2, 3, tzinfo=UTC),
)


def mail(server: Smtp, **fields: object) -> Mail:
    given = {"host": "127.0.0.1", "port": server.port, "security": "none", "sender": "rota@bank.example"}
    return Mail.model_validate({**given, "to": ["dba@bank.example", "ops@bank.example"], **fields})


def test_a_mail_says_what_happened_under_the_id_of_its_delivery(ctx: RecordedContext, smtp: Smtp) -> None:
    mail(smtp).send(ALERT, ctx)
    (got,) = smtp.mails
    assert (got.sender, got.recipients) == ("rota@bank.example", ("dba@bank.example", "ops@bank.example"))
    message = got.message
    assert message["Message-ID"] == "<0192-a@bank.example>"
    assert message["Subject"] == "bank/backup failed: café and more"
    assert message["To"] == "dba@bank.example, ops@bank.example"
    assert message["Date"] == "Fri, 02 Jan 2026 03:00:00 +0000"
    assert (message["Auto-Submitted"], message["X-Rota-Severity"]) == ("auto-generated", "critical")
    assert message.get_content() == "what: bank/backup failed\nerror: naïve\n"


def test_addresses_may_have_names(ctx: RecordedContext, smtp: Smtp) -> None:
    mail(smtp, sender="Rota of the bank <rota@bank.example>", to=["Zoë <zoe@bank.example>"]).send(ALERT, ctx)
    (got,) = smtp.mails
    assert (got.sender, got.recipients) == ("rota@bank.example", ("zoe@bank.example",))
    assert got.message["From"] == "Rota of the bank <rota@bank.example>"
    assert got.message["To"] == "Zoë <zoe@bank.example>"
    assert got.message["Message-ID"] == "<0192-a@bank.example>"


def test_a_mail_that_is_sent_again_has_the_same_id(ctx: RecordedContext, smtp: Smtp) -> None:
    for _ in range(2):
        mail(smtp).send(ALERT, ctx)
    assert len({got.message["Message-ID"] for got in smtp.mails}) == 1


def test_a_refusal_is_told_with_the_words_of_the_server(ctx: RecordedContext, smtp: Smtp) -> None:
    smtp.refuse("451 try again later")
    with pytest.raises(TaskFailed, match=r"`127\.0\.0\.1` answered 451 try again later"):
        mail(smtp).send(ALERT, ctx)
    smtp.refuse("554 no spam")
    with pytest.raises(TaskFailed, match="554 no spam"):
        mail(smtp).send(ALERT, ctx)


def test_it_logs_in(ctx: RecordedContext) -> None:
    with Smtp.start(login=True) as server:
        assert server.password is not None
        login = {"user": server.user, "password": SecretStr(server.password)}
        mail(server, **login).send(ALERT, ctx)
        assert len(server.mails) == 1
        with pytest.raises(TaskFailed, match="does not take the login: 535") as refused:
            mail(server, **{**login, "password": SecretStr("hunter2-hunter2")}).send(ALERT, ctx)
        assert refused.value.retryable is False
        assert "hunter2" not in str(refused.value)
        with pytest.raises(TaskFailed, match="answered 530"):
            mail(server).send(ALERT, ctx)


def test_the_connection_is_private_and_the_certificate_verified(
    ctx: RecordedContext, certificate_authority: CertificateAuthority
) -> None:
    with Smtp.start(login=True, starttls=certificate_authority.issue("mail")) as server:
        login = {"user": server.user, "password": server.password, "security": "starttls"}
        mail(server, ca_file=certificate_authority.cert, **login).send(ALERT, ctx)
        assert len(server.mails) == 1
        with pytest.raises(TaskFailed, match=r"`127\.0\.0\.1` cannot be reached: .*certificate verify failed"):
            mail(server, **login).send(ALERT, ctx)
        with pytest.raises(TaskFailed, match=r"`127\.0\.0\.1` answered 530 Must issue a STARTTLS"):
            mail(server).send(ALERT, ctx)


def test_a_server_without_starttls_gets_nothing(ctx: RecordedContext, smtp: Smtp) -> None:
    with pytest.raises(TaskFailed, match="cannot be reached: STARTTLS extension not supported"):
        mail(smtp, security="starttls").send(ALERT, ctx)
    assert smtp.mails == []


def test_a_server_that_never_answers_is_given_up(ctx: RecordedContext, silence: Silence, smtp: Smtp) -> None:
    for security in ("none", "tls"):
        with pytest.raises(TaskFailed, match=r"cannot be reached: .*timed out"):
            mail(smtp, port=silence.port, security=security, timeout=0.3).send(ALERT, ctx)


def test_a_server_that_is_not_there_is_named(ctx: RecordedContext, smtp: Smtp) -> None:
    with pytest.raises(TaskFailed, match=r"`127\.0\.0\.1` cannot be reached: .*refused"):
        mail(smtp, port=1).send(ALERT, ctx)


def test_certificates_that_cannot_be_read_are_named(ctx: RecordedContext, smtp: Smtp) -> None:
    with pytest.raises(TaskFailed, match="the certificates in `/nowhere` cannot be read"):
        mail(smtp, security="starttls", ca_file="/nowhere").send(ALERT, ctx)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"to": []}, "to"),
        ({"to": ["dba"]}, "`dba` is no address"),
        ({"sender": "Rota <rota@bank.example"}, "`Rota <rota@bank.example` is no address"),
        ({"sender": "Rota"}, "`Rota` is no address; write `dba@bank.example`"),
        ({"to": ["a@bank.example, b@bank.example"]}, "is no address"),
        ({"user": "rota"}, "`user` and `password` go together"),
        ({"user": "rota", "password": "hunter2", "host": "smtp.bank.internal"}, "over a private connection alone"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, object], reason: str, smtp: Smtp) -> None:
    with pytest.raises(ValidationError) as refused:
        mail(smtp, **fields)
    assert reason in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_it_keeps_the_contract() -> None:
    check_extension(Mail)
