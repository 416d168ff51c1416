"""TLS: whom to trust, and what to show to a server that wants to know its clients."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from rota import TaskFailed
from rota_http.connection_fields import ConnectionFields


def tls_context(fields: ConnectionFields) -> ssl.SSLContext:
    """Return TLS as the fields want it. Raises TaskFailed for a file that cannot be read or used."""
    context = _trusting(fields)
    if fields.server_certificate == "accept_any_insecure":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if fields.client_certificate or fields.client_certificate_file:
        _show(context, fields)
    return context


def _trusting(fields: ConnectionFields) -> ssl.SSLContext:
    where = f"`ca_file: {fields.ca_file}`" if fields.ca_file else "`ca`"
    try:
        return ssl.create_default_context(cafile=fields.ca_file, cadata=fields.ca)
    except (OSError, ValueError) as error:
        raise TaskFailed(f"the certificates of {where} cannot be used: {_reason(error)}", retryable=False) from None


def _show(context: ssl.SSLContext, fields: ConnectionFields) -> None:
    password = fields.client_key_password.get_secret_value() if fields.client_key_password else ""
    certificate = fields.client_certificate or fields.client_certificate_file
    try:
        with _as_file(certificate) as cert, _as_file(fields.client_key or fields.client_key_file) as key:
            # Always a password: without one the library would ask for it on a terminal.
            context.load_cert_chain(str(cert), key, password=lambda: password)
    except (OSError, ValueError) as error:
        raise TaskFailed(
            f"the client's certificate and key cannot be used: {_reason(error)}",
            retryable=False,
            hint="is it PEM, do both belong together, is `client_key_password` right?",
        ) from None


@contextmanager
def _as_file(content: str | SecretStr | Path | None) -> Iterator[Path | None]:
    """Give the path of a file; text becomes one that only this user can read, gone at the end."""
    if content is None or isinstance(content, Path):
        yield content
        return
    text = content if isinstance(content, str) else content.get_secret_value()
    with tempfile.NamedTemporaryFile("w", prefix="rota-http-", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield Path(file.name)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
