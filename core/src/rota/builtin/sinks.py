"""Alert sinks `log` and `webhook`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from rota import Alert, AlertSink, Context, Duration, TaskFailed, __version__

if TYPE_CHECKING:
    import ssl


class LogSink(AlertSink):
    """Write alerts to the log.

    Example:
        - {id: log, type: log}
    """

    type_name: ClassVar[str | None] = "log"

    def send(self, alert: Alert, ctx: Context) -> None:
        write = ctx.log.error if alert.severity in {"error", "critical"} else ctx.log.warning
        write(f"{alert.title}: {alert.text}", alert=alert.id, flow=alert.flow, execution=alert.execution_id)


class Webhook(AlertSink):
    """Send alerts as JSON to a URL, by POST.

    The body has `id, title, text, severity, namespace, flow, execution_id, state, labels, date`. The id is
    also the header `Idempotency-Key`. Certificates are verified; redirects are not followed.

    Example:
        - {id: chat, type: webhook, url: "https://chat.bank.internal/hooks/ops"}
    """

    url: SecretStr
    """Where to; it may hold a token, or a login (`https://user:password@host/`), so it is kept as a secret."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers, such as `Authorization`."""
    hmac_key: SecretStr | None = None
    """Signs the body: header `X-Hub-Signature-256`, `sha256=` and the HMAC in hex."""
    ca_file: Path | None = None
    """Certificates to trust, in PEM. Default: those of the system."""
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), le=timedelta(minutes=5))
    """How long to wait for an answer."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the URL starts with `https://` or `http://` and names a host")
        if any(character.isspace() for character in url.get_secret_value()):
            raise ValueError("the URL has a space in it: write `%20`")
        return url

    def send(self, alert: Alert, ctx: Context) -> None:
        from urllib.error import HTTPError, URLError
        from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

        body = _body(alert)
        url, login = _without_login(self.url.get_secret_value())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"rota/{__version__}",
            "Idempotency-Key": alert.id,
            **login,
            **{name: value.get_secret_value() for name, value in self.headers.items()},
        }
        if self.hmac_key is not None:
            digest = hmac.new(self.hmac_key.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
            headers["X-Hub-Signature-256"] = f"sha256={digest}"
        # Not `build_opener`: that follows redirects, and would open `file:` if it were told to.
        opener = OpenerDirector()
        for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(context=self._trust())):
            opener.add_handler(handler)
        request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - the scheme was checked
        host = urlsplit(url).hostname
        try:
            with opener.open(request, timeout=self.timeout.total_seconds()) as answer:
                status, text = answer.status, answer.read(500).decode("utf-8", "replace")
        except (URLError, HTTPError, OSError) as error:
            raise TaskFailed(f"`{host}` cannot be reached: {getattr(error, 'reason', error)}") from None
        if not 200 <= status < 300:
            raise TaskFailed(f"`{host}` answered {status}: {' '.join(text.split())}")

    def _trust(self) -> ssl.SSLContext:
        import ssl

        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise TaskFailed(f"the certificates in `{self.ca_file}` cannot be read: {error}") from None


def _without_login(url: str) -> tuple[str, dict[str, str]]:
    """Return `url` without the login in it, and that as a header (RFC 7617)."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    name, _, password = user.partition(":")
    login = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {login}"}


def _body(alert: Alert) -> bytes:
    values = {name: getattr(alert, name) for name in alert.__dataclass_fields__}
    values |= {"labels": dict(alert.labels), "date": alert.date.isoformat()}
    return json.dumps(values, ensure_ascii=False).encode()
