"""Sockets whose transfers can be stopped from another thread, and end at a deadline."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpcore


class Transfer:
    """What one task sends and receives on its thread, in a `with` block; `stop` ends it from any other.

    `peer` is the address that was connected to, or was to be, last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._connecting: threading.Event | None = None
        self._deadline: float | None = None
        self.stopped = False
        self.peer = ""

    def begin(self, seconds: float | None) -> None:
        """Start the clock of an exchange that may take `seconds`."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    @property
    def late(self) -> bool:
        """Whether the exchange took longer than it may."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def left(self, seconds: float | None) -> float | None:
        """Return how long to wait at most: `seconds`, or what is left for the whole exchange."""
        if self._deadline is None:
            return seconds
        left = max(self._deadline - time.monotonic(), 0.001)
        return left if seconds is None else min(seconds, left)

    def stop(self) -> None:
        """End what is under way, at once; whoever waits for it gets an error."""
        with self._lock:
            self.stopped = True
            if self._connecting is not None:
                self._connecting.set()
            if self._socket is not None:
                # Closing would not wake the thread that reads; an SSL socket's own method would take its state away.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def uses(self, used: socket.socket | None) -> None:
        """Say which socket the thread waits on, from now on."""
        with self._lock:
            self._socket = used
            if self.stopped:
                raise httpcore.ReadError("stopped")

    def waits(self, connecting: threading.Event | None) -> None:
        """Say which event the thread waits for, from now on."""
        with self._lock:
            self._connecting = connecting
            if self.stopped:
                raise httpcore.ConnectError("stopped")

    def __enter__(self) -> Self:
        _current.transfer = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.transfer = None


class _Current(threading.local):
    transfer: Transfer | None = None


_current = _Current()


class StoppableBackend(httpcore.NetworkBackend):
    """Connects like httpcore does, for the transfer of the thread that asks."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        transfer = _current.transfer or Transfer()
        transfer.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        connecting = _Connecting(host, port, transfer.left(timeout), local_address)
        return StoppableStream(connecting.result(transfer))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class _Connecting:
    """A connection being made on a thread of its own: looking a name up knows no timeout and cannot be stopped."""

    def __init__(self, host: str, port: int, timeout: float | None, local_address: str | None) -> None:
        self._arguments = (host, port, timeout, local_address)
        self._timeout = timeout
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._stream: httpcore.NetworkStream | None = None
        self._error: BaseException | None = None
        self._abandoned = False

    def result(self, transfer: Transfer) -> httpcore.NetworkStream:
        """Return the connection. Raises what httpcore raises."""
        transfer.waits(self._done)
        threading.Thread(target=self._connect, name="rota-http-connect", daemon=True).start()
        self._done.wait(self._timeout)
        with self._lock:
            stream, error = self._stream, self._error
            self._abandoned = stream is None
        try:
            transfer.waits(None)
        except BaseException:
            if stream is not None:
                stream.close()
            raise
        if stream is not None:
            return stream
        raise error or httpcore.ConnectTimeout("timed out")

    def _connect(self) -> None:
        host, port, timeout, local_address = self._arguments
        try:
            stream = httpcore.SyncBackend().connect_tcp(host, port, timeout, local_address)
        except BaseException as error:  # noqa: BLE001 - it is raised where the connection is waited for
            self._error = error
        else:
            with self._lock:
                self._stream = stream
                unwanted = self._abandoned
            if unwanted:
                stream.close()
        self._done.set()


class StoppableStream(httpcore.NetworkStream):
    """A connection that tells the transfer of the reading or writing thread which socket it waits on."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        transfer = self._begin()
        data = self._inner.read(max_bytes, transfer.left(timeout))
        if transfer.stopped:  # the end of what was cut off is not the end of what was sent
            raise httpcore.ReadError("stopped")
        if transfer.late:
            raise httpcore.ReadTimeout("the exchange took too long")
        transfer.uses(None)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        transfer = self._begin()
        self._inner.write(buffer, transfer.left(timeout))
        if transfer.late:
            raise httpcore.WriteTimeout("the exchange took too long")
        transfer.uses(None)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        transfer = self._begin()
        stream = self._inner.start_tls(ssl_context, server_hostname, transfer.left(timeout))
        transfer.uses(None)
        return StoppableStream(stream)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _begin(self) -> Transfer:
        transfer = _current.transfer or Transfer()
        transfer.uses(self._inner.get_extra_info("socket"))
        return transfer
