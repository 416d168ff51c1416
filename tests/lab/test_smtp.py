"""The lab's mail server, through the standard library's client."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

import pytest

from tests.lab.certificates import CertificateAuthority
from tests.lab.process import processes_with
from tests.lab.smtp import Smtp


def mail(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "rota@example.org", "you@example.org", subject
    message.set_content("Grüße\n")
    return message


def test_a_mail_can_be_read_when_it_was_accepted(smtp: Smtp) -> None:
    with smtplib.SMTP("127.0.0.1", smtp.port) as client:
        client.send_message(mail("first"))
        client.send_message(mail("second"))
    assert [kept.message["Subject"] for kept in smtp.mails] == ["first", "second"]
    assert smtp.mails[0].sender == "rota@example.org"
    assert smtp.mails[0].recipients == ("you@example.org",)
    assert smtp.mails[0].message.get_content() == "Grüße\n"


def test_a_test_finds_no_mail_of_another(smtp: Smtp) -> None:
    assert smtp.mails == []


def test_mail_is_refused_when_told(smtp: Smtp) -> None:
    smtp.refuse("451 try again later")
    with smtplib.SMTP("127.0.0.1", smtp.port) as client, pytest.raises(smtplib.SMTPDataError, match="try again"):
        client.send_message(mail("refused"))
    assert smtp.mails == []


def test_a_login_is_needed_where_one_is_asked_for() -> None:
    with Smtp.start(login=True) as server:
        assert server.password is not None
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.send_message(mail("no login"))
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login(server.user, "wrong")
            client.login(server.user, server.password)
            client.send_message(mail("login"))
        assert [kept.message["Subject"] for kept in server.mails] == ["login"]
    assert processes_with(str(server.folder)) == []


def test_mail_is_encrypted_where_that_is_asked_for(certificate_authority: CertificateAuthority) -> None:
    with Smtp.start(starttls=certificate_authority.issue("mail")) as server:
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            with pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
                client.send_message(mail("plain"))
            client.starttls(context=ssl.create_default_context(cafile=certificate_authority.cert))
            client.send_message(mail("encrypted"))
        assert len(server.mails) == 1
