"""What went wrong with Vault, in words: which side it was, and whether a retry may help."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response

_PASSING = frozenset({408, 412, 429})
"""Statuses below 500 that a later try may not have: too slow, a replica that is behind, too many requests."""
_REPEATED = re.compile(r"(.+?)/data/(\1/|data/)")
_WITHOUT = "`path` is what comes after the mount and, in KV 2, after `data/`"


class Problem(Exception):
    """Vault could not be asked, or said no: `status` is what it answered with, if it did.

    `absent`: it said that there is nothing at the path, which is that of an engine.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        status: int | None = None,
        hint: str = "",
        absent: bool = False,
    ) -> None:
        super().__init__(message)
        self.message, self.retryable, self.status, self.hint = message, retryable, status, hint
        self.absent = absent


def answered(url: str, path: str, response: Response) -> Problem:
    """Return what Vault said to a request for `path` that it did not carry out."""
    status, said = response.status_code, _said(response)
    if status == 503:
        return Problem(f"Vault at `{url}` is sealed, or not ready: {said}"[:500], status=status)
    final = status < 500 and status not in _PASSING
    nothing = status == 404 and not said
    what = f"has nothing at `{path}`" if nothing else f"says no to `{path}` ({status})"
    why = _gone(response) if nothing else said
    text = f"Vault at `{url}` {what}" + (f": {why}" if why else "")
    retryable = False if final else None
    return Problem(text[:500], retryable=retryable, status=status, hint=_hint(path, status, said), absent=nothing)


def repeats_mount(path: str) -> bool:
    """Whether a path of KV 2 has the mount, or `data/`, once more behind the first: somebody wrote it, too."""
    return _REPEATED.match(path) is not None


def _hint(path: str, status: int, said: str) -> str:
    if "no handler for route" in said:
        return "nothing is mounted there: `vault secrets list` and `vault auth list` show what is"
    if "versioned K/V" in said:
        return "the engine there is KV version 2"
    if repeats_mount(path):
        return _WITHOUT
    return "may the login's policy do that?" if status == 403 else ""


def _said(response: Response) -> str:
    """Return the errors in an answer, or the warnings, or its text where it is none of Vault's own."""
    try:
        found = response.json()
    except ValueError:
        return " ".join(response.text.split())
    errors = found.get("errors", found.get("warnings")) if isinstance(found, dict) else None
    lines = errors if isinstance(errors, list) else []
    return "; ".join(" ".join(str(line).split()) for line in lines)


def _gone(response: Response) -> str:
    """Return what became of a version in KV 2 that is there no more."""
    try:
        version = response.json()["data"]["metadata"]
        number, deleted, destroyed = version["version"], version["deletion_time"], version["destroyed"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f"version {number} was " + ("destroyed" if destroyed else f"deleted at {deleted}")


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
        return _tls_failed(url, error)
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return Problem(f"a certificate or key for Vault at `{url}` cannot be used: {error}", retryable=False)
    return Problem(f"Vault at `{url}` broke the exchange off, or cannot be reached: {_root(error)}")


def _tls_failed(url: str, error: Exception) -> Problem:
    reasons = [cause.reason for cause in _causes(error) if isinstance(cause, ssl.SSLError) and cause.reason]
    reason = reasons[-1].lower().replace("_", " ") if reasons else "it gave no reason"
    if "wrong version number" in reason or "http request" in reason:
        return Problem(f"Vault at `{url}` does not speak TLS: {reason}", retryable=False, hint="is it `http://`?")
    return Problem(f"TLS with Vault at `{url}` failed: {reason}", retryable=False)


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
