"""The connections that the tasks of an execution share: pools of httpcore, directly and through proxies."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import cast
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import httpcore
import httpx

from rota import TaskFailed
from rota_http.connection_fields import ConnectionFields, reveal
from rota_http.network import StoppableBackend
from rota_http.trust import tls_context

# Their lines name addresses with all that is in them, and a query may hold a secret.
for _name in ("httpx", "httpcore"):
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(logging.WARNING)


class Transport(httpx.BaseTransport):
    """Sends over kept connections; its errors are those of httpcore."""

    def __init__(self, tls: ssl.SSLContext, proxy: str) -> None:
        self._tls, self._proxy = tls, proxy
        self._pools: dict[str | None, httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = self._pool(self.proxy_of(request.url)).handle_request(sent)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Stream(cast("Iterator[bytes]", answer.stream)),
            extensions=answer.extensions,
        )

    def proxy_of(self, url: httpx.URL) -> str | None:
        """Return the proxy on the way to `url`, or None."""
        if self._proxy == "none":
            return None
        if self._proxy != "environment":
            return self._proxy
        proxies = getproxies_environment()
        host = url.host if url.port is None else f"{url.host}:{url.port}"
        if proxy_bypass_environment(host, proxies):
            return None
        found = proxies.get(url.scheme) or proxies.get("all")
        return found if found is None or "://" in found else f"http://{found}"

    def close(self) -> None:
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()

    def _pool(self, proxy: str | None) -> httpcore.ConnectionPool:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = httpcore.ConnectionPool(
                    ssl_context=self._tls,
                    proxy=None if proxy is None else _proxy(proxy, self._tls),
                    max_connections=None,
                    max_keepalive_connections=64,
                    keepalive_expiry=5,
                    network_backend=StoppableBackend(),
                )
            return self._pools[proxy]


class _Stream(httpx.SyncByteStream):
    """The body of an answer."""

    def __init__(self, inner: Iterator[bytes]) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        if hasattr(self._inner, "close"):
            self._inner.close()


def _proxy(url: str, tls: ssl.SSLContext) -> httpcore.Proxy:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        host = None
    if host is None:
        raise TaskFailed("the address of the proxy cannot be read", retryable=False, hint="write `http://host:port`")
    if parts.scheme == "socks5" and find_spec("socksio") is None:
        raise TaskFailed("a SOCKS proxy needs `socksio`", retryable=False, hint="pip install 'rota-http[socks]'")
    default = {"http": 80, "https": 443, "socks5": 1080}.get(parts.scheme, 80)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    target = httpcore.URL(scheme=parts.scheme, host=host, port=port or default, target="/")
    return httpcore.Proxy(target, auth=login, ssl_context=tls if parts.scheme == "https" else None)


def open_transport(fields: ConnectionFields) -> Transport:
    """Return connections of their own for these fields. Raises TaskFailed where TLS cannot be had as they say."""
    return Transport(tls_context(fields), str(reveal(fields.proxy)))


def transport_key(fields: ConnectionFields) -> object:
    """Return what makes connections different from one another: whom they trust, and what they show."""
    names = "server_certificate ca ca_file client_certificate client_certificate_file".split()
    names += "client_key client_key_file client_key_password proxy".split()
    return ("http", *(getattr(fields, name) for name in names))
