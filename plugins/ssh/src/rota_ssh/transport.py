"""The SSH protocol by paramiko: with a sign of life from the other side, and without algorithms that are broken."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from typing import Any

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST, cMSG_SERVICE_REQUEST
from paramiko.message import Message

from rota_ssh.packets import Packets, set_timeout

_UNANSWERED = 3
"""How many signs of life may be missing before the connection is given up."""

# Galois/counter mode first: its checksum is made with the encryption, the others' in Python.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_CERTIFICATE = "-cert-v01@openssh.com"

# Whatever goes wrong is raised where it matters; the library's own tracebacks in the server's log help nobody.
_LOGGER = logging.getLogger("paramiko")
if _LOGGER.level == logging.NOTSET:
    _LOGGER.setLevel(logging.CRITICAL)


class SshTransport(paramiko.Transport):
    """A transport that asks for signs of life, and remembers the host's key as it was presented."""

    _preferred_ciphers = _CIPHERS
    _preferred_macs = _MACS
    _preferred_keys: tuple[str, ...]

    def __init__(self, sock: socket.socket | paramiko.Channel, *, timeout: float, auth_timeout: float) -> None:
        super().__init__(sock, packetizer_class=Packets)
        set_timeout(sock)
        # Longer than `negotiate` waits: so it is always that which says that the host did not answer in time.
        self.banner_timeout = timeout + 5.0
        self.auth_timeout = auth_timeout
        self.presented_key = b""
        self.prefers_certificates = False
        self._unanswered = 0
        self._asked_to_log_in = False

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The kinds of host keys in order; certificates go first where an authority is known."""
        plain = self._preferred_keys
        certified = tuple(f"{kind}{_CERTIFICATE}" for kind in plain)
        return certified + plain if self.prefers_certificates else plain + certified

    def prefer_key_kinds(self, kinds: list[str]) -> None:
        """Ask the host for a key of one of `kinds`, as `known_hosts` names them, before any other."""
        wanted = {name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,))}
        ordered = sorted(self._preferred_keys, key=lambda kind: kind not in wanted)
        self.get_security_options().key_types = tuple(ordered)

    def watch(self, interval: float) -> None:
        """Ask every `interval` seconds of silence whether the other side is there; give up after three."""
        self.packetizer.set_keepalive(max(1, round(interval)), self._ask)

    def abort(self) -> None:
        """End the connection at once; whoever waits on it is told. Called from any thread."""
        try:
            # Closing alone leaves the transport's thread waiting for another tenth of a second.
            if isinstance(self.sock, socket.socket):
                self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.close()
        if self.completion_event is not None:
            self.completion_event.set()

    def _ask(self) -> None:
        if self._unanswered >= _UNANSWERED:
            # This is the transport's own thread, which keeps the error for all who wait, and ends.
            raise TimeoutError(errno.ETIMEDOUT, "it gives no sign of life any more")
        self._unanswered += 1
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_user_message(message)  # type: ignore[attr-defined]

    def _parse_request_success(self, message: Any) -> None:
        self._unanswered = 0
        super()._parse_request_success(message)  # type: ignore[misc]

    def _parse_request_failure(self, message: Any) -> None:
        self._unanswered = 0
        super()._parse_request_failure(message)  # type: ignore[misc]

    def _send_message(self, data: Any) -> None:
        if data.asbytes()[:1] != cMSG_SERVICE_REQUEST:
            super()._send_message(data)  # type: ignore[misc]
        elif not self._asked_to_log_in:
            self._asked_to_log_in = True
            super()._send_message(data)  # type: ignore[misc]
        else:
            # paramiko asks for the log-in service before each attempt, for which some servers hang up.
            self.auth_handler._parse_service_accept(Message(data.asbytes()[1:]))  # type: ignore[union-attr]  # noqa: SLF001

    def _verify_key(self, host_key: bytes, sig: Any) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc]
        self.presented_key = host_key


_RSA = ("rsa-sha2-512", "rsa-sha2-256")


def negotiate(transport: SshTransport, timeout: float) -> None:
    """Exchange keys within `timeout` seconds. Raises what paramiko raises, and TimeoutError."""
    done = threading.Event()
    transport.start_client(event=done)
    done.wait(timeout)
    if transport.initial_kex_done and transport.is_active():
        return
    error = transport.get_exception()
    waited = not done.is_set()
    transport.abort()
    if error is not None and not waited:
        raise error
    raise TimeoutError("the key exchange was not completed in time")
