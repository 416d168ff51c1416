"""What went wrong with Vault, in words: which side it was, and whether a retry may help."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hvac.exceptions import VaultError

_STATUSES = {
    "InvalidRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "InvalidPath": 404,
    "UnsupportedOperation": 405,
    "PreconditionFailed": 412,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "VaultNotInitialized": 501,
    "BadGateway": 502,
    "VaultDown": 503,
}


class Problem(Exception):
    """Vault could not be asked, or said no: `status` is what it answered with, if it did."""

    def __init__(
        self, message: str, *, retryable: bool | None = None, status: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.retryable, self.status, self.hint = message, retryable, status, hint


def answered(url: str, error: VaultError) -> Problem:
    """Return what Vault said to a request that it did not carry out."""
    status = _STATUSES.get(type(error).__name__)
    said = "; ".join(" ".join(str(line).split()) for line in error.errors or []) or (
        error.args[0] if error.args else ""
    )
    if status == 503:
        return Problem(f"Vault at `{url}` is sealed, or not ready: {said}"[:500], status=status)
    final = status is not None and status < 500 and status != 429
    hint = "may the login's policy do that?" if status == 403 else ""
    text = f"Vault at `{url}` says no ({status or 'an unknown status'})" + (f": {said}" if said else "")
    return Problem(text[:500], retryable=False if final else None, status=status, hint=hint)


def unreachable(url: str, error: Exception) -> Problem:
    """Return why Vault could not be asked, or did not answer."""
    import requests

    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = cause.verify_message.lower()
            return Problem(
                f"the certificate of Vault at `{url}` is not to be trusted: {why}",
                retryable=False,
                hint="an authority of your own goes into `ca_file`",
            )
        if isinstance(cause, ConnectionRefusedError):
            return Problem(f"Vault at `{url}` cannot be connected to: connection refused")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Problem(f"Vault at `{url}` did not take a connection within `connect_timeout`")
    if isinstance(error, requests.exceptions.Timeout):
        return Problem(f"Vault at `{url}` did not answer within `operation_timeout`")
    if isinstance(error, requests.exceptions.SSLError):
        return Problem(f"TLS with Vault at `{url}` failed", retryable=False)
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return Problem(f"a certificate or key for Vault at `{url}` cannot be used: {error}", retryable=False)
    return Problem(f"Vault at `{url}` broke the exchange off, or cannot be reached: {_root(error)}")


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error with all that it came from; this library keeps some in the arguments."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def _root(error: Exception) -> str:
    last = _causes(error)[-1]
    return (getattr(last, "strerror", None) or type(last).__name__).lower()
