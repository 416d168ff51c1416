"""An HTTP API with the clusters and prices of a bank, for flows that ask one; it fails when told to."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.lab import control
from tests.lab.certificates import ServerTls
from tests.lab.httpserver import QuietHandler, serve_http, tls_context
from tests.lab.server import PythonServer

Cluster = dict[str, Any]
"""A cluster as the API gives it; `name` is its key."""


class InventoryApi(PythonServer):
    """`GET /clusters` (paged), `/clusters/NAME`, `/prices`, with `Authorization: Bearer TOKEN`; `/health` without.

    A page has `items` and `next`, the cursor for `?cursor=` (null on the last page), and the same as a Link header;
    `?limit=` is its size, 20 by default. Answers have an ETag and heed If-None-Match.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.token: str = config["token"]
        self._scheme = "https" if config["tls"] else "http"
        super().__init__(__name__, config)

    @classmethod
    def start(
        cls,
        clusters: Sequence[Cluster] = (),
        prices: Mapping[str, float] | None = None,
        *,
        tls: ServerTls | None = None,
    ) -> Self:
        """Start the API on these data, with TLS when given. Raises `ServerFailed`."""
        data = {"clusters": list(clusters), "prices": dict(prices or {})}
        return cls({"ports": [None], "token": secrets.token_urlsafe(16), "tls": tls.files if tls else {}, **data})

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.ports[0]}"

    @property
    def requests(self) -> list[str]:
        """What was asked so far, such as `GET /clusters?limit=5`, oldest first."""
        return list(self.ask("requests"))

    def set_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Give other clusters from now on."""
        self.ask("clusters", clusters=list(clusters))

    def fail(self, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None) -> None:
        """Answer the next requests with `status` and `headers` such as Retry-After."""
        self.ask("fail", status=status, times=times, headers=dict(headers or {}))


class _Inventory:
    """What the API knows, shared by its threads."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.token: str = config["token"]
        self.clusters: list[Cluster] = config["clusters"]
        self.prices: dict[str, float] = config["prices"]
        self.requests: list[str] = []
        self._failures: list[tuple[int, dict[str, str]]] = []
        self._lock = threading.Lock()

    def control(self, what: str, arguments: dict[str, Any]) -> Any:
        with self._lock:
            if what == "clusters":
                self.clusters = arguments["clusters"]
            elif what == "fail":
                failure = (arguments["status"], arguments["headers"])
                self._failures = [failure] * arguments["times"]
            elif what == "requests":
                return self.requests
            return None

    def note(self, request: str) -> tuple[int, dict[str, str]] | None:
        """Remember a request; return the failure that was ordered for it."""
        with self._lock:
            self.requests.append(request)
            return self._failures.pop() if self._failures else None

    def find(self, path: str, query: dict[str, list[str]]) -> tuple[Any, dict[str, str]] | None:
        """Return what stands at `path` and its headers, None when nothing does."""
        if path == "/prices":
            return self.prices, {}
        if path == "/clusters":
            return self._page(int(query.get("cursor", ["0"])[0]), int(query.get("limit", ["20"])[0]))
        found = [cluster for cluster in self.clusters if path == f"/clusters/{cluster['name']}"]
        return (found[0], {}) if found else None

    def _page(self, first: int, limit: int) -> tuple[Any, dict[str, str]]:
        after = first + max(limit, 1)
        page = {"items": self.clusters[first:after], "next": str(after) if after < len(self.clusters) else None}
        if page["next"] is None:
            return page, {}
        following = urlencode({"cursor": after, "limit": limit})
        return page, {"Link": f'</clusters?{following}>; rel="next"'}


def _handler(inventory: _Inventory) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
            failure = inventory.note(f"{self.command} {self.path}")
            address = urlsplit(self.path)
            if failure is not None:
                self._reply(failure[0], {"error": "told to fail"}, failure[1])
            elif address.path == "/health":
                self._reply(200, {"ok": True})
            elif not hmac.compare_digest(self.headers.get("Authorization", ""), f"Bearer {inventory.token}"):
                self._reply(401, {"error": "a bearer token is needed"}, {"WWW-Authenticate": "Bearer"})
            else:
                self._find(address.path, parse_qs(address.query))

        do_HEAD = do_GET  # noqa: N815

        def _find(self, path: str, query: dict[str, list[str]]) -> None:
            try:
                found = inventory.find(path, query)
            except ValueError:
                self._reply(400, {"error": "`cursor` and `limit` are numbers"})
                return
            if found is None:
                self._reply(404, {"error": f"there is no {path}"})
            else:
                self._reply(200, *found)

        def _reply(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(answer).encode()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            known = status == 200 and self.headers.get("If-None-Match") == tag
            own = {"Content-Type": "application/json", **({"ETag": tag} if status == 200 else {})}
            self.reply(304 if known else status, b"" if known else body, {**own, **(headers or {})})

    return Handler


def main(folder: Path) -> None:
    """Run the API that `config.json` in `folder` asks for, until killed."""
    config = json.loads((folder / "config.json").read_text())
    inventory = _Inventory(config)
    ports = [serve_http(_handler(inventory), config["ports"][0], tls_context(config["tls"]))]
    control.serve(folder, lambda what, arguments: ports if what == "ports" else inventory.control(what, arguments))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
