"""Tells systemd how a server is (`Type=notify`): datagrams to the socket that `NOTIFY_SOCKET` names."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Self

logger = logging.getLogger("rota.server")


class Notifier:
    """Sends states to systemd; without a socket it does nothing."""

    def __init__(self, address: str, *, watchdog: bool = False) -> None:
        """`watchdog`: systemd wants to be told again and again that the server lives."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog = watchdog

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None) -> Self:
        """Return the notifier that this process was started with."""
        env = os.environ if env is None else env
        ours = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(env.get("NOTIFY_SOCKET", ""), watchdog=ours and bool(env.get("WATCHDOG_USEC")))

    def ready(self) -> None:
        """Say that the server serves, or that it has read its settings anew."""
        self._send("READY=1", "STATUS=serving")

    def reloading(self) -> None:
        """Say that the settings are being read anew."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")

    def stopping(self) -> None:
        """Say that the server drains."""
        self._send("STOPPING=1", "STATUS=draining")

    def alive(self) -> None:
        """Keep the watchdog quiet, where there is one."""
        if self._watchdog:
            self._send("WATCHDOG=1")

    def _send(self, *states: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto("\n".join(states).encode(), self._address)
        except OSError as error:
            logger.warning("systemd cannot be told `%s`: %s", states[0], error)
