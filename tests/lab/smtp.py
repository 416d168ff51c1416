"""A mail server that keeps what it is given, for tests to read."""

from __future__ import annotations

import email
import email.policy
import json
import secrets
import ssl
import sys
import time
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from tests.lab import control
from tests.lab.certificates import Certificate
from tests.lab.ports import on_free_ports
from tests.lab.server import PythonServer


@dataclass(frozen=True)
class Mail:
    """A message as it arrived: who sent it to whom by the envelope, and what it says."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


class Smtp(PythonServer):
    """A mail server at 127.0.0.1:`port`. With a login it takes mail from `user` with `password` alone."""

    user = "rota"

    def __init__(self, config: dict[str, Any]) -> None:
        self.password: str | None = config["password"]
        super().__init__(__name__, config)

    @classmethod
    def start(cls, *, login: bool = False, starttls: Certificate | None = None) -> Self:
        """Start a server that asks for a login, and for STARTTLS before that, as told.

        Raises `ServerFailed`.
        """
        tls = [str(starttls.cert), str(starttls.key)] if starttls else None
        password = secrets.token_urlsafe(12) if login else None
        return cls({"ports": [None], "user": cls.user, "password": password, "tls": tls})

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that mail goes to."""
        return self.ports[0]

    @property
    def mails(self) -> list[Mail]:
        """The mails that were accepted, oldest first."""
        return [_mail(path) for path in sorted((self.folder / "mails").glob("*.json"))]

    def clear(self) -> None:
        """Forget the mails that came so far."""
        for path in (self.folder / "mails").glob("*.json"):
            path.unlink()

    def refuse(self, reply: str | None) -> None:
        """Answer every message with an SMTP reply such as `451 try again later`; None takes mail again."""
        self.ask("refuse", reply=reply)


def _mail(path: Path) -> Mail:
    kept = json.loads(path.read_text())
    content = kept["content"].encode("latin-1").replace(b"\r\n", b"\n")
    message = email.message_from_bytes(content, policy=email.policy.default)
    return Mail(kept["sender"], tuple(kept["recipients"]), message)


class _Keeper:
    """What aiosmtpd calls for each message."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.refusal: str | None = None
        self._count = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        if self.refusal:
            return self.refusal
        self._count += 1
        content = envelope.content.decode("latin-1")  # bytes as they came
        kept = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "content": content}
        name = f"{time.time_ns()}-{self._count}"
        (self._folder / f"{name}.new").write_text(json.dumps(kept))
        (self._folder / f"{name}.new").rename(self._folder / f"{name}.json")
        return "250 kept"


def _controller(config: dict[str, Any], keeper: _Keeper, port: int) -> Any:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        known = isinstance(data, LoginPassword) and data == LoginPassword(
            config["user"].encode(), config["password"].encode()
        )
        # A failed login that is called handled leaves the client waiting for an answer.
        return AuthResult(success=known, handled=False)

    context = None
    if config["tls"]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*config["tls"])
    login: dict[str, Any] = {
        "authenticator": authenticate,
        "auth_required": True,
        "auth_require_tls": bool(config["tls"]),
    }
    return Controller(
        keeper,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=context is not None,
        **(login if config["password"] else {}),
    )


def main(folder: Path) -> None:
    """Run the server that `config.json` in `folder` asks for, until killed."""
    config = json.loads((folder / "config.json").read_text())
    mails = folder / "mails"
    mails.mkdir(exist_ok=True)
    keeper = _Keeper(mails)

    def listen(port: int) -> int:
        _controller(config, keeper, port).start()
        return port

    (given,) = config["ports"]
    port = listen(given) if given else on_free_ports(1, lambda ports: listen(ports[0]))

    def answer(what: str, arguments: dict[str, Any]) -> Any:
        if what == "refuse":
            keeper.refusal = arguments["reply"]
        return [port]

    control.serve(folder, answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
