"""A MongoDB that knows nothing but the login by PLAIN, which the lab's servers do not have: LDAP stands behind it."""

from __future__ import annotations

import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson

_HEADER = struct.Struct("<iiii")
_REPLY, _QUERY, _MESSAGE = 1, 2004, 2013


class PlainServer(socketserver.ThreadingTCPServer):
    """Answers `hello`, `saslStart` by PLAIN, and `ping`; keeps the names of those who came in."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, passwords: dict[str, str], tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.passwords, self.tls = passwords, tls
        self.logins: list[tuple[str, str]] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; who talks is a matter of its own thread."""
        connection, address = self.socket.accept()
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to tell."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to a command."""
        name = next(iter(command))
        if name.lower() in {"hello", "ismaster"}:
            limits = {"maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 1000}
            return {
                "ok": 1,
                "ismaster": True,
                "isWritablePrimary": True,
                "maxWireVersion": 21,
                "minWireVersion": 0,
            } | limits
        if name == "saslStart":
            _, user, password = bytes(command["payload"]).decode().split("\0")
            if command["mechanism"] != "PLAIN" or self.passwords.get(user) != password:
                return {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
            self.logins.append((user, command["$db"]))
            return {"ok": 1, "conversationId": 1, "done": True, "payload": b""}
        return {"ok": 1}


class _Conversation(socketserver.BaseRequestHandler):
    server: PlainServer

    def handle(self) -> None:
        self.request.do_handshake()
        while head := self._read(_HEADER.size):
            length, request, _, kind = _HEADER.unpack(head)
            body = self._read(length - _HEADER.size)
            if kind == _QUERY:
                command = bson.decode(body[body.index(b"\0", 4) + 9 :])
                reply = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self.server.answer(command))
                self._send(_REPLY, request, reply)
            else:
                flags = struct.unpack("<I", body[:4])[0]
                end = len(body) - (4 if flags & 1 else 0)
                answer = self.server.answer(bson.decode(body[5:end]))
                if not flags & 2:
                    self._send(_MESSAGE, request, struct.pack("<IB", 0, 0) + bson.encode(answer))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self.request.recv(size - len(data))):
            data += more
        return data

    def _send(self, kind: int, request: int, body: bytes) -> None:
        self.request.sendall(_HEADER.pack(_HEADER.size + len(body), 1, request, kind) + body)


@contextmanager
def plain_server(passwords: dict[str, str], cert: str, key: str) -> Iterator[PlainServer]:
    """Serve the logins of `passwords` with a certificate, until the `with` block ends."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    with PlainServer(passwords, tls) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
