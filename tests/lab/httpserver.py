"""The part of an HTTP server of the lab that is not its answers: ports, TLS, threads, quiet."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.lab.ports import listening_socket


class QuietHandler(BaseHTTPRequestHandler):
    """Answers with kept-alive connections and writes no line for each request."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the name and arguments are the standard library's."""

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a whole answer; a body is left out where the method is HEAD."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _TlsServer(ThreadingHTTPServer):
    """Shakes hands on the thread of each connection, so that a slow or hostile client holds up nobody."""

    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(60)
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError):
            return
        with wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave broken connections alone: clients that go away are what the tests are about."""


def serve_http(handler: type[BaseHTTPRequestHandler], port: int | None, context: ssl.SSLContext | None = None) -> int:
    """Serve on a thread, on `port` of 127.0.0.1 or a free one, and return the port."""
    listener = listening_socket(port)
    server = _TlsServer(("127.0.0.1", 0), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_address = listener.getsockname()
    server.server_name, server.server_port = "localhost", listener.getsockname()[1]
    server.context = context
    Thread(target=server.serve_forever, daemon=True, name="http").start()
    return int(server.server_port)


def tls_context(files: dict[str, str]) -> ssl.SSLContext | None:
    """Return the server side of TLS for the files `cert`, `key` and perhaps `client_ca`; None for no files."""
    if not files:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])
    if "client_ca" in files:
        context.load_verify_locations(files["client_ca"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context
