"""A web site of a test's own, on threads of the test's process: it says what it was sent, and breaks when told to."""

from __future__ import annotations

import base64
import hashlib
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.lab.httpserver import QuietHandler


@dataclass
class Site:
    """What the site knows; tests change it. `requests` has what came, as `GET /path`, with headers beside."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    content: bytes = b""
    etag: str | None = '"one"'
    content_type: str = "application/octet-stream"
    break_after: list[int] = field(default_factory=list)
    """How many bytes to send of the next answers before the connection is cut."""
    statuses: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Statuses and headers of the next answers, before any that is good."""
    tokens: list[str] = field(default_factory=list)
    """The tokens to give, the next one first; what was given last is what `/protected` takes."""
    waiting: threading.Event = field(default_factory=threading.Event)
    """A request for `/silence` or `/drip` has come."""
    left: threading.Event = field(default_factory=threading.Event)
    """The client of `/silence` or `/drip` has gone away."""
    token: str = ""

    @property
    def port(self) -> int:
        """Where it is."""
        return int(self.url.rpartition(":")[2])


class _Handler(QuietHandler):
    site: Site

    def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
        self.site.requests.append(f"{self.command} {self.path}")
        self.site.headers.append({name.lower(): text for name, text in self.headers.items()})
        address = urlsplit(self.path)
        body = self._read()
        if self.site.statuses:
            status, headers = self.site.statuses.pop(0)
            self.reply(status, b"told to fail", headers)
            return
        name = address.path.strip("/").partition("/")[0]
        answer = getattr(self, f"answer_{name}", None)
        if answer is None:
            self.reply(404, b"nothing is here")
        else:
            answer({key: found[0] for key, found in parse_qs(address.query).items()}, body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815

    def do_CONNECT(self) -> None:  # noqa: N802
        self.site.requests.append(f"CONNECT {self.path}")
        if self.headers.get("Proxy-Authorization") != "Basic " + base64.b64encode(b"me:word").decode():
            self.reply(407, b"", {"Proxy-Authenticate": "Basic"})
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: other, other: self.connection}
            while True:
                for ready in select.select(list(ends), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[ready].sendall(data)

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer_echo(self, query: dict[str, str], body: bytes) -> None:
        said = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): text for name, text in self.headers.items()},
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "body": body[:5000].decode("utf-8", "replace"),
        }
        self.reply(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def answer_redirect(self, query: dict[str, str], body: bytes) -> None:
        self.reply(int(query.get("status", "302")), b"", {"Location": query["to"]})

    def answer_token(self, query: dict[str, str], body: bytes) -> None:
        wanted = "Basic " + base64.b64encode(b"rota:s3cret%2Fword").decode()
        if self.headers.get("Authorization") != wanted or b"grant_type=client_credentials" not in body:
            self.reply(401, b'{"error": "invalid_client"}')
            return
        self.site.token = self.site.tokens.pop(0)
        self.reply(200, json.dumps({"access_token": self.site.token, "expires_in": 3600}).encode())

    def answer_protected(self, query: dict[str, str], body: bytes) -> None:
        known = self.headers.get("Authorization") == f"Bearer {self.site.token}"
        self.reply(200 if known else 401, b"in" if known else b"who are you?")

    def answer_cookie(self, query: dict[str, str], body: bytes) -> None:
        self.reply(302, b"", {"Location": "/echo", "Set-Cookie": "session=abcdef; Path=/"})

    def answer_pages(self, query: dict[str, str], body: bytes) -> None:
        cursor = json.loads(body).get("after", 0) if body else int(query.get("cursor", "0"))
        after = cursor + 2
        page: dict[str, Any] = {"rows": [{"n": n} for n in range(cursor, min(after, 5))]}
        if query.get("circle"):
            page["next"] = 2
        elif after < 5:
            page |= {"next": after, "link": query.get("elsewhere") or f"/pages?cursor={after}"}
        self.reply(200, json.dumps(page).encode(), {"Content-Type": "application/json"})

    def answer_file(self, query: dict[str, str], body: bytes) -> None:
        site, status, content = self.site, 200, self.site.content
        headers = {"Content-Type": site.content_type, **({"ETag": site.etag} if site.etag else {})}
        wanted = self.headers.get("Range")
        if site.etag and self.headers.get("If-None-Match") == site.etag:
            self.reply(304, b"", headers)
            return
        if wanted and self.headers.get("If-Range", site.etag) == site.etag:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            status, content = 206, content[start:]
        if not site.break_after:
            self.reply(status, content, headers)
            return
        self._begin(status, {**headers, "Content-Length": str(len(content))})
        self.wfile.write(content[: site.break_after.pop(0)])
        self._cut()

    def answer_long(self, query: dict[str, str], body: bytes) -> None:
        """Send a body without a length: its end is the end of the connection."""
        self._begin(200, {"Content-Type": "application/octet-stream", "Connection": "close"})
        for _ in range(int(query["megabytes"])):
            self.wfile.write(b"\0" * (1 << 20))
        self.close_connection = True

    def answer_silence(self, query: dict[str, str], body: bytes) -> None:
        self.site.waiting.set()
        self._until_left()

    def answer_drip(self, query: dict[str, str], body: bytes) -> None:
        """Send without end, slowly; without a length, so that a cut looks like the end."""
        self._begin(200, {"Content-Type": "text/plain", "Connection": "close"})
        self.site.waiting.set()
        with suppress(OSError):
            while not select.select([self.connection], [], [], 0.01)[0]:
                self.wfile.write(b"drop ")
        self.site.left.set()
        self.close_connection = True

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _cut(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _until_left(self) -> None:
        with suppress(OSError):
            self.connection.recv(1)
        self.site.left.set()
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave broken connections alone: they are what the tests are about."""


@contextmanager
def serve_site() -> Iterator[Site]:
    """Serve a site on a free port of 127.0.0.1."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with _Server(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield site
        server.shutdown()
        thread.join()
