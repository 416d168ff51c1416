"""Free loopback ports, and another try when one is lost to somebody else between the choice and the bind."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LOWEST, _HIGHEST = 15_000, 31_000
"""Below the range from which Linux and macOS take the ports of outgoing connections, so that no client takes one."""

_random = random.SystemRandom()


class PortTaken(RuntimeError):
    """A server could not bind the port that it was given."""


def free_ports(count: int) -> list[int]:
    """Return `count` different TCP ports of 127.0.0.1 that nobody listens on at this moment."""
    found: set[int] = set()
    while len(found) < count:
        port = _random.randint(_LOWEST, _HIGHEST)
        if port not in found and _is_free(port):
            found.add(port)
    return list(found)


def free_port() -> int:
    """Return one TCP port of 127.0.0.1 that nobody listens on at this moment."""
    return free_ports(1)[0]


def listening_socket(port: int | None = None, backlog: int = 512) -> socket.socket:
    """Return a socket that listens on `port` of 127.0.0.1, on a free one when None. Raises OSError when it is taken."""
    if port is None:
        return on_free_ports(1, lambda ports: listening_socket(ports[0], backlog))
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def on_free_ports(count: int, start: Callable[[list[int]], T], attempts: int = 5) -> T:
    """Return `start(ports)`, called again with other ports when the ones given were lost to somebody else.

    `start` tells so by raising `PortTaken`, or OSError with EADDRINUSE; the last of `attempts` raises it on.
    """
    for _ in range(attempts - 1):
        try:
            return start(free_ports(count))
        except PortTaken:
            continue
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return start(free_ports(count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
