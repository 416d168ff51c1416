"""Logs in: private keys, the agent's keys, the password, one after the other until the host is content."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import paramiko

from rota import TaskFailed
from rota_ssh.endpoint import Endpoint
from rota_ssh.keys import certificate_problem
from rota_ssh.transport import SshTransport

Method = tuple[str, Callable[[], list[str]]]


def log_in(transport: SshTransport, endpoint: Endpoint, keys: list[paramiko.PKey]) -> None:
    """Log in as the endpoint's user; a host may ask for more than one thing (a key, then a password).

    Raises TaskFailed, never to be retried, when nothing that there is lets the user in; what paramiko raises
    when the connection breaks comes through.
    """
    agent = paramiko.Agent() if endpoint.credentials.agent else None
    tried: list[str] = []
    offered: list[str] = []
    try:
        for name, attempt in _methods(transport, endpoint, keys, agent):
            if not transport.is_active():
                break  # some hosts hang up after too many wrong ones
            tried.append(name)
            try:
                offered = attempt()
            except paramiko.BadAuthenticationType as error:
                offered = error.allowed_types
            except paramiko.AuthenticationException as error:
                if "timeout" in str(error).lower():
                    raise TimeoutError(str(error)) from None
            if transport.is_authenticated():
                return
    finally:
        if agent is not None:
            agent.close()
    raise _refused(endpoint, tried, offered, keys)


def _methods(
    transport: SshTransport, endpoint: Endpoint, keys: list[paramiko.PKey], agent: paramiko.Agent | None
) -> Iterator[Method]:
    user = endpoint.user
    for key in keys:
        name = "the certificate" if getattr(key, "public_blob", None) is not None else "the private key"
        yield name, lambda key=key: transport.auth_publickey(user, key)  # type: ignore[misc]
    for key in agent.get_keys() if agent is not None else ():
        yield "a key of the agent", lambda key=key: transport.auth_publickey(user, key)  # type: ignore[misc]
    if endpoint.credentials.password is not None:
        password = endpoint.credentials.password.get_secret_value()
        yield "the password", lambda: transport.auth_password(user, password)


def _refused(endpoint: Endpoint, tried: list[str], offered: list[str], keys: list[paramiko.PKey]) -> TaskFailed:
    if not tried:
        return TaskFailed("the SSH agent has no keys, or there is none", retryable=False, hint="is SSH_AUTH_SOCK set?")
    reasons = [f"it did not take {' or '.join(dict.fromkeys(tried))}"]
    if problem := certificate_problem(keys, endpoint.user, time.time()):
        reasons.append(problem)
    if offered:
        reasons.append(f"it asks for {' or '.join(offered)}")
    return TaskFailed(f"`{endpoint.address}` does not let `{endpoint.user}` in: {'; '.join(reasons)}", retryable=False)
