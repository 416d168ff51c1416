"""What went wrong between two sides, in words: which side it was, and whether a retry may help."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpcore
import httpx
from pydantic import SecretStr

from rota import TaskFailed
from rota_http.network import Transfer

BROKEN = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    httpx.DecodingError,
    httpx.InvalidURL,
    httpx.RemoteProtocolError,
)
"""The errors of an exchange."""

_FINAL_STATUSES = frozenset({400, 401, 403, 404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 422, 426, 431, 501, 505})
"""What a server says to a request that is wrong itself: sending it again changes nothing."""


def origin(url: httpx.URL) -> str:
    """Return scheme, host and port, which is all of an address that may be shown."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")


def failure(error: Exception, url: httpx.URL, transfer: Transfer, proxied: bool) -> TaskFailed:
    """Return what an exchange with `url` failed of."""
    if transfer.stopped:
        return TaskFailed(f"the exchange with `{origin(url)}` was stopped")
    if transfer.late:
        return TaskFailed(f"`{origin(url)}` did not complete its answer within `total_timeout`")
    side = f"the proxy `{transfer.peer}`" if proxied else f"`{origin(url)}`"
    if isinstance(error, httpcore.TimeoutException):
        return _waited(error, side)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return _tls(cause, f"`{origin(url)}`")
        if isinstance(cause, socket.gaierror):
            return _unknown(cause, transfer.peer.rpartition(":")[0])
    if isinstance(error, httpcore.ProxyError):
        refused = str(error).startswith(("401", "403", "407"))
        return TaskFailed(f"{side} did not connect to `{origin(url)}`: {error}", retryable=False if refused else None)
    return _broken(error, side, origin(url))


def _broken(error: Exception, side: str, server: str) -> TaskFailed:
    if isinstance(error, httpcore.ConnectError):
        return TaskFailed(f"{side} cannot be connected to: {_reason(error)}")
    if isinstance(error, httpcore.LocalProtocolError) and "header" in str(error).lower():
        # Its own words show the header, which may be a secret.
        return TaskFailed("a header has characters that may not stand there", retryable=False)
    if isinstance(error, (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol, httpx.InvalidURL)):
        return TaskFailed(f"the request to `{server}` cannot be sent: {_reason(error)}", retryable=False)
    if isinstance(error, httpcore.WriteError):
        return TaskFailed(f"{side} broke the connection off while it was sent to: {_reason(error)}")
    return TaskFailed(f"{side} broke the exchange off: {_reason(error)}")


def _waited(error: httpcore.TimeoutException, side: str) -> TaskFailed:
    if isinstance(error, httpcore.ConnectTimeout):
        return TaskFailed(f"{side} did not take a connection within `connect_timeout`")
    if isinstance(error, httpcore.WriteTimeout):
        return TaskFailed(f"{side} took nothing of what was sent for `read_timeout`")
    return TaskFailed(f"{side} said nothing for `read_timeout`")


def _tls(error: ssl.SSLError, side: str) -> TaskFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return TaskFailed(
            f"the certificate of {side} is not to be trusted: {error.verify_message.lower()}",
            retryable=False,
            hint="an authority of your own goes into `ca` or `ca_file`",
        )
    reason = (error.reason or str(error)).lower().replace("_", " ")
    if ("alert" in reason and "certificate" in reason) or "unknown ca" in reason:
        return TaskFailed(
            f"{side} does not take the client's certificate, or wants one: {reason}",
            retryable=False,
            hint="give `client_certificate` and `client_key`",
        )
    if "wrong version number" in reason or "http request" in reason:
        return TaskFailed(f"{side} does not speak TLS: {reason}", retryable=False, hint="is it `http://`?")
    return TaskFailed(f"TLS with {side} failed: {reason}")


def _unknown(error: socket.gaierror, host: str) -> TaskFailed:
    # "Try again later" is said by a name server that is down.
    final = error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
    return TaskFailed(f"the host `{host}` is not known: {error.strerror}", retryable=False if final else None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: Exception) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(error) or type(error).__name__


def refused(response: httpx.Response, url: str | SecretStr, words: str = "", output: object = None) -> TaskFailed:
    """Return the failure for an answer with a status that is not allowed; `output` is what came all the same."""
    retryable = False if response.status_code in _FINAL_STATUSES else None
    return TaskFailed(refusal(response, url, words), retryable=retryable, output=output)


def refusal(response: httpx.Response, url: str | SecretStr, words: str) -> str:
    """Return what a server's answer with a status that is not allowed says, for a message.

    The path is shown where the flow has written it as text, and not where the server led to.
    """
    phrase = f"{response.status_code} {response.reason_phrase}".strip()
    said = " ".join(words.split())[:300]
    request = response.request
    written = isinstance(url, str) and httpx.URL(url).path == request.url.path
    asked = f"{request.method} {request.url.path}" if written else request.method
    return f"`{origin(request.url)}` answered {asked} with {phrase}" + (f": {said}" if said else "")
