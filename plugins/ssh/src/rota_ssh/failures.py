"""Turns what goes wrong on a connection into words: which side it was, and whether another try may help."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from rota import TaskFailed

if TYPE_CHECKING:
    from rota_ssh.endpoint import Endpoint


def dial_failure(endpoint: Endpoint, error: Exception) -> TaskFailed:
    """Return the failure for an error while connecting: names, ports, time, keys."""
    import paramiko

    where = f"`{endpoint.address}`"
    if isinstance(error, socket.gaierror):
        retryable = None if error.errno == socket.EAI_AGAIN else False
        return TaskFailed(f"{where} is not known: {(error.strerror or str(error)).lower()}", retryable)
    if isinstance(error, TimeoutError):
        return TaskFailed(
            f"{where} did not answer within {endpoint.connect_timeout:g} s",
            hint="`connect_timeout` says how long to wait",
        )
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return TaskFailed(f"{where} and Rota have no algorithm in common: {_words(error)}", retryable=False)
    if isinstance(error, OSError):
        return TaskFailed(f"{where} cannot be reached: {_words(error)}")
    if "banner" in str(error).lower():
        return TaskFailed(
            f"{where} does not speak SSH, or ended the connection before it did", hint="is the port right?"
        )
    return TaskFailed(f"connecting to {where} failed: {_words(error)}")


def broken(error: BaseException | None) -> ConnectionError:
    """Return what is to be the cause of a failure by which a connection is gone: the core then drops it."""
    return ConnectionResetError(str(error) if error is not None else "")


def lost(endpoint: Endpoint, error: BaseException | None, doing: str) -> TaskFailed:
    """Return the failure for a connection that broke; `broken(error)` is its cause."""
    reason = f": {_words(error)}" if error is not None and _words(error) else ""
    return TaskFailed(f"the connection to `{endpoint.address}` was lost while {doing}{reason}")


def late(endpoint: Endpoint, doing: str) -> TaskFailed:
    """Return the failure for a host that did not answer a request in time; its connection is not to be used again."""
    return TaskFailed(
        f"`{endpoint.address}` did not answer within {endpoint.operation_timeout:g} s while {doing}",
        hint="`operation_timeout` says how long to wait",
    )


def _words(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "it closed the connection"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:300]
