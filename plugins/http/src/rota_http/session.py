"""The exchanges of one task with its server: signed, redirected, stopped on cancel, their errors in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from rota import Context, TaskFailed, __version__
from rota_http.authentication import Login
from rota_http.connection_fields import ConnectionFields, reveal
from rota_http.failures import BROKEN, failure, origin
from rota_http.network import Transfer
from rota_http.transport import Transport, open_transport, transport_key

_HARMLESS = {"accept", "accept-encoding", "accept-language", "content-encoding", "content-type", "range", "user-agent"}
"""Headers of the flow that may go on to another host."""
_PORTS = {"http": 80, "https": 443}


class Session:
    """What a task sends; a cookie that a server sets lives as long as the task."""

    def __init__(self, ctx: Context, fields: ConnectionFields, transport: Transport, transfer: Transfer) -> None:
        read = fields.read_timeout.total_seconds()
        connect = fields.connect_timeout.total_seconds()
        self._ctx, self._fields, self._transport, self._transfer = ctx, fields, transport, transfer
        self._client = httpx.Client(
            transport=transport,
            trust_env=False,
            timeout=httpx.Timeout(connect=connect, read=read, write=read, pool=None),
            headers={"User-Agent": f"rota/{__version__}"},
        )
        self._login = Login(ctx, fields, self._fetch)

    def request(
        self, method: str = "GET", *, url: str | None = None, headers: dict[str, str] | None = None, **content: object
    ) -> httpx.Request:
        """Return a request with the flow's headers and parameters (those not with a `url` of its own).

        `headers` go before those of the flow, but for the content type; `content` is what
        `httpx.Client.build_request` takes. Raises TaskFailed.
        """
        fields = self._fields
        address = str(reveal(fields.url)) if url is None else url
        try:
            sent = httpx.Headers(reveal(fields.headers))
            for name, text in (headers or {}).items():
                if name != "Content-Type" or name not in sent:
                    sent[name] = text
            target = httpx.URL(address)
            if fields.params and url is None:
                target = target.copy_merge_params(reveal(fields.params))
            return self._client.build_request(method, target, headers=sent, **content)  # type: ignore[arg-type]
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError, TypeError) as error:
            raise TaskFailed(f"the request cannot be made: {error}", retryable=False) from None

    @contextmanager
    def open(self, request: httpx.Request) -> Iterator[httpx.Response]:
        """Send `request` and give the answer, its body not read yet. Raises TaskFailed, also for a body cut short."""
        self._login.sign(request)
        with self._in_words(request):
            response = self._follow(request)
            try:
                if self._login.renew(request, response.status_code):
                    response.close()
                    response = self._follow(request)
                yield response
            finally:
                response.close()

    def wait(self, seconds: float) -> None:
        """Wait between two exchanges. Raises TaskFailed when the task is stopped meanwhile."""
        if self._ctx.cancelled.wait(seconds):
            raise TaskFailed("the task was stopped while it waited to send again")

    def _follow(self, request: httpx.Request) -> httpx.Response:
        seconds = self._fields.total_timeout
        self._transfer.begin(None if seconds is None else seconds.total_seconds())
        for _ in range(self._fields.redirects + 1):
            response = self._client.send(request, stream=True, auth=None, follow_redirects=False)
            following = response.next_request
            if following is None or self._fields.redirects == 0:
                return response
            response.close()
            self._go_on(request, following)
            request = following
        raise TaskFailed(
            f"`{origin(request.url)}` redirects for ever: {self._fields.redirects} redirects were followed",
            retryable=False,
            hint="`redirects` says how many are",
        )

    def _go_on(self, request: httpx.Request, following: httpx.Request) -> None:
        """Take from a redirected request what is not for the other host. Raises TaskFailed."""
        if request.url.scheme == "https" and following.url.scheme != "https":
            raise TaskFailed(
                f"`{origin(request.url)}` redirects to `{origin(following.url)}`, which is not encrypted",
                retryable=False,
            )
        if same_origin(request.url, following.url):
            return
        for name in {"authorization", *(name.lower() for name in self._fields.headers)} - _HARMLESS:
            following.headers.pop(name, None)

    def _fetch(self, request: httpx.Request) -> httpx.Response:
        """Send a request that has a login of its own, within the times of the task; its answer is a short one."""
        self._transfer.begin(self._fields.read_timeout.total_seconds())
        with self._in_words(request):
            response = self._client.send(request, auth=None, follow_redirects=False)
            response.read()
            return response

    @contextmanager
    def _in_words(self, request: httpx.Request) -> Iterator[None]:
        try:
            yield
        except BROKEN as error:
            proxied = self._transport.proxy_of(request.url) is not None
            raise failure(error, request.url, self._transfer, proxied) from error


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Say whether two addresses are of the same server, so that what is for one may go to the other."""
    if one.host != other.host:
        return False
    ports = [url.port or _PORTS.get(url.scheme, 0) for url in (one, other)]
    upgraded = (one.scheme, other.scheme, ports) == ("http", "https", [80, 443])
    return upgraded or (one.scheme == other.scheme and ports[0] == ports[1])


@contextmanager
def session(ctx: Context, fields: ConnectionFields) -> Iterator[Session]:
    """Give the exchanges of one task, over connections that the execution shares. Raises TaskFailed."""
    transfer = Transfer()
    ctx.on_cancel(transfer.stop)
    key = transport_key(fields)
    with ctx.client(key, lambda: open_transport(fields), Transport.close, shared=True) as transport, transfer:
        yield Session(ctx, fields, transport, transfer)
