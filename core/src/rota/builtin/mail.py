"""Alert sink `mail`: over SMTP, each message under the id of its delivery."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from rota import Alert, AlertSink, Context, Duration, TaskFailed

if TYPE_CHECKING:
    import smtplib
    import ssl
    from email.message import EmailMessage

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_BARE = r"[^@\s<>,;]+@[^@\s<>,;]+"
_ADDRESS = re.compile(rf"""{_BARE}|[^<>,;"\r\n]*<{_BARE}>""")


def _is_address(text: str) -> str:
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError(f"`{text}` is no address; write `dba@bank.example`, or `DBA <dba@bank.example>`")
    return text


Address = Annotated[str, AfterValidator(_is_address)]
"""An address of mail, with a name or without."""


class Mail(AlertSink):
    """Send alerts by mail.

    The `Message-ID` holds the id of the message, so that a mail which comes twice is known for the same. Certificates
    are verified.

    Example:
        - id: mail
          type: mail
          host: smtp.bank.internal
          user: rota
          password: "{{ secret('smtp#password') }}"
          sender: rota@bank.example
          to: [dba@bank.example]
    """

    type_name: ClassVar[str | None] = "mail"

    host: str
    """The mail server."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port. Default: 587 with `starttls`, 465 with `tls`, 25 with `none`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is kept private; `none` is for a server on this machine."""
    user: str | None = None
    """The name to log in with. Default: no login."""
    password: SecretStr | None = None
    """The password to log in with."""
    sender: Address
    """The address that mails come from: `rota@bank.example`, or `Rota <rota@bank.example>`."""
    to: list[Address] = Field(min_length=1)
    """The addresses that they go to."""
    ca_file: Path | None = None
    """Certificates to trust, in PEM. Default: those of the system."""
    timeout: Duration = Field(default=timedelta(seconds=15), gt=timedelta(0), le=timedelta(minutes=5))
    """How long to wait for an answer."""

    @model_validator(mode="after")
    def _is_private(self) -> Mail:
        if (self.user is None) != (self.password is None):
            raise ValueError("`user` and `password` go together")
        if self.user is not None and self.security == "none" and self.host not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("a password is sent over a private connection alone: `security: starttls` or `tls`")
        return self

    def send(self, alert: Alert, ctx: Context) -> None:
        import smtplib
        import ssl

        try:
            with self._connected() as server:
                if self.user is not None and self.password is not None:
                    server.login(self.user, self.password.get_secret_value())
                refused = server.send_message(self._mail(alert))
        except smtplib.SMTPAuthenticationError as error:
            raise TaskFailed(f"`{self.host}` does not take the login: {_answer(error)}", retryable=False) from None
        except smtplib.SMTPRecipientsRefused as error:
            answers = "; ".join(f"{address}: {_text(answer)}" for address, answer in error.recipients.items())
            raise TaskFailed(f"`{self.host}` refuses every address: {answers}") from None
        except smtplib.SMTPResponseException as error:
            raise TaskFailed(f"`{self.host}` answered {_answer(error)}") from None
        except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
            raise TaskFailed(f"`{self.host}` cannot be reached: {error}") from None
        for address, answer in refused.items():
            # The others have it: sent again, it would reach them twice.
            ctx.log.warning(f"`{self.host}` refused the address {address}: {_text(answer)}", alert=alert.id)

    def _connected(self) -> smtplib.SMTP:
        import smtplib

        port = self.port or _PORTS[self.security]
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, port, timeout=self.timeout.total_seconds(), context=self._trust())
        server = smtplib.SMTP(self.host, port, timeout=self.timeout.total_seconds())
        if self.security == "starttls":
            try:
                server.starttls(context=self._trust())
            except BaseException:
                server.close()
                raise
        return server

    def _mail(self, alert: Alert) -> EmailMessage:
        from email.message import EmailMessage
        from email.utils import format_datetime, parseaddr

        message = EmailMessage()
        message["Subject"] = " ".join(alert.title.split())
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        message["Date"] = format_datetime(alert.date)
        message["Message-ID"] = f"<{alert.id}@{parseaddr(self.sender)[1].partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Rota-Severity"] = alert.severity
        message["X-Priority"] = "1" if alert.severity == "critical" else "3"
        message.set_content(alert.text)
        return message

    def _trust(self) -> ssl.SSLContext:
        import ssl

        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise TaskFailed(f"the certificates in `{self.ca_file}` cannot be read: {error}") from None


def _answer(error: smtplib.SMTPResponseException) -> str:
    return _text((error.smtp_code, error.smtp_error))


def _text(answer: tuple[int, bytes | str]) -> str:
    code, words = answer
    told = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(told.split())}"
