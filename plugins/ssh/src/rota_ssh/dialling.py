"""Opens a connection: through jump hosts where there are some, with the host's key verified, logged in."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import paramiko

from rota import Context, TaskFailed
from rota_ssh import host_keys
from rota_ssh.connection import Connection, connection_to
from rota_ssh.endpoint import Endpoint
from rota_ssh.failures import dial_failure, lost
from rota_ssh.giving_up import give_up
from rota_ssh.keys import load_keys
from rota_ssh.known_hosts import KnownHosts, load_known_hosts
from rota_ssh.login import log_in
from rota_ssh.transport import SshTransport, negotiate


class Dialling:
    """An attempt to connect that another thread can give up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None
        self.given_up = False

    def may_be_stopped_by(self, stop: Callable[[], object]) -> None:
        """Say how to end what is being waited for now."""
        with self._lock:
            self._stop = stop
            given_up = self.given_up
        if given_up:
            give_up(stop)

    def done(self) -> None:
        """From now on there is nothing to give up."""
        with self._lock:
            self._stop = None

    def give_up(self) -> None:
        """End the attempt; nothing happens once it is done."""
        with self._lock:
            self.given_up = True
            stop, self._stop = self._stop, None
        if stop is not None:
            give_up(stop)


def dial(ctx: Context, endpoint: Endpoint, *, stoppable: bool = True) -> Connection:
    """Return a new connection to `endpoint`; it holds on to the jump host that it goes through.

    Cancelling the task gives up the attempt, if that is `stoppable`. Raises TaskFailed.
    """
    dialling = Dialling()
    if stoppable:
        ctx.on_cancel(dialling.give_up)
    keys = _keys(ctx, endpoint)
    known = _known_hosts(ctx, endpoint)
    held = ExitStack()
    try:
        jump = held.enter_context(connection_to(ctx, endpoint.through, shared=True)) if endpoint.through else None
        transport = _transport(endpoint, jump, held, dialling, known)
        host_keys.verify(transport, endpoint, known)
        _log_in(transport, endpoint, keys)
    except BaseException:
        held.close()  # whatever was wrong, it was not the jump host: that one is given back whole
        raise
    dialling.done()
    if endpoint.keepalive:
        transport.watch(endpoint.keepalive)
    return Connection(endpoint, transport, held)


def _transport(
    endpoint: Endpoint, jump: Connection | None, held: ExitStack, dialling: Dialling, known: KnownHosts | None
) -> SshTransport:
    """Return a transport that has exchanged keys. Its time begins here: getting to the jump host is not its own."""
    deadline = time.monotonic() + endpoint.connect_timeout
    try:
        sock = jump.tunnel(endpoint, _left(deadline)) if jump else _connect(endpoint, held, dialling, deadline)
        transport = SshTransport(sock, timeout=_left(deadline), auth_timeout=endpoint.auth_timeout)
        held.callback(transport.abort)
        dialling.may_be_stopped_by(transport.abort)
        if known is not None:
            host_keys.prepare(transport, known.of(endpoint.host_key.name))
        negotiate(transport, _left(deadline))
    except (OSError, EOFError, paramiko.SSHException) as error:
        if dialling.given_up:
            raise TaskFailed(f"connecting to `{endpoint.address}` was cancelled") from None
        raise dial_failure(endpoint, error) from None
    return transport


def _connect(endpoint: Endpoint, held: ExitStack, dialling: Dialling, deadline: float) -> socket.socket:
    error: OSError = OSError(f"`{endpoint.host}` has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM):
        sock = held.enter_context(socket.socket(family, kind, protocol))
        sock.settimeout(_left(deadline))
        dialling.may_be_stopped_by(lambda sock=sock: sock.shutdown(socket.SHUT_RDWR))  # type: ignore[misc]
        try:
            sock.connect(address)
        except OSError as problem:
            error = problem
            sock.close()
            continue
        # What is sent comes in small pieces, each of which is waited for.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise error


def _log_in(transport: SshTransport, endpoint: Endpoint, keys: list[paramiko.PKey]) -> None:
    try:
        log_in(transport, endpoint, keys)
    except TimeoutError:
        raise TaskFailed(
            f"`{endpoint.address}` did not let `{endpoint.user}` in within {endpoint.auth_timeout:g} s",
            hint="`auth_timeout` says how long to wait",
        ) from None
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise lost(endpoint, error, "logging in") from None


def _keys(ctx: Context, endpoint: Endpoint) -> list[paramiko.PKey]:
    """Return the keys, decrypted once for the whole execution: that takes its time on purpose."""
    credentials = endpoint.credentials
    with ctx.client(("ssh keys", credentials), lambda: load_keys(credentials), lambda _: None, shared=True) as keys:
        return keys


def _known_hosts(ctx: Context, endpoint: Endpoint) -> KnownHosts | None:
    """Return the known hosts, read once for the whole execution; None where they are not asked."""
    policy = endpoint.host_key
    if policy.mode != "verify" or policy.fingerprints:
        return None
    given = policy.known_hosts
    with ctx.client(("ssh known hosts", given), lambda: load_known_hosts(given), lambda _: None, shared=True) as known:
        return known


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())
