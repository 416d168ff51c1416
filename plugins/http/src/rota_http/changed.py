"""Trigger `http.changed`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rota import Context, Event, TaskFailed, Trigger
from rota_http.answer import decoded, is_json
from rota_http.connection_fields import ConnectionFields
from rota_http.jmespaths import JmesPath, evaluated

if TYPE_CHECKING:
    import httpx

_INLINE = 64 << 10
"""The longest body, in bytes, that is in an event."""
_SELECTABLE = 16 << 20
"""The longest body, in bytes, of which a part can be selected."""


class Changed(ConnectionFields, Trigger):
    """Start when what is at an address changes.

    A server that knows the version (`ETag`, `Last-Modified`) is asked for what is newer, and sends nothing else; in
    any case the content decides. `trigger.event` has `url, status, etag, last_modified, sha256, size`, and `json` or
    `text` where the body is not longer than 64 KiB. The first look starts nothing.

    Example:
        - id: new_prices
          type: http.changed
          url: https://prices.bank.internal/current
          token: "{{ secret('prices#token') }}"
          interval: 5m
          select: prices[].name
    """

    select: JmesPath | None = None
    """A JMESPath expression: the part of the JSON that counts. Default: all bytes of the body."""
    start_at_first: bool = False
    """Start at the first look, too."""

    def poll(self, ctx: Context) -> Iterable[Event]:
        from rota_http.failures import refused
        from rota_http.session import session

        known = dict(ctx.state.get("seen") or {})
        headers = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("last_modified")}
        with session(ctx, self) as http, http.open(http.request(headers=_given(headers))) as response:
            if response.status_code == 304:
                return []
            if response.status_code != 200:
                raise refused(response, self.url)
            digest, size, body = self._read(response)
            found = {
                "etag": response.headers.get("ETag"),
                "last_modified": response.headers.get("Last-Modified"),
                "digest": digest,
                "number": known.get("number", 0) + (digest != known.get("digest")),
            }
            data = self._event(response, found, size, body)
        ctx.state["seen"] = found
        if found["number"] == known.get("number") or (not known and not self.start_at_first):
            return []
        # With a number: what comes back to an earlier state has changed as well.
        return [Event(f"{found['number']}-{digest[:16]}", data)]

    def _read(self, response: httpx.Response) -> tuple[str, int, bytes | None]:
        """Return the digest of what counts, the size of the body, and the body where it is short."""
        sha256, size, head = hashlib.sha256(), 0, bytearray()
        limit = _INLINE if self.select is None else _SELECTABLE
        for chunk in response.iter_bytes():
            sha256.update(chunk)
            size += len(chunk)
            if size <= limit:
                head += chunk
        body = bytes(head) if size <= limit else None
        if self.select is None:
            return sha256.hexdigest(), size, body
        if body is None:
            raise TaskFailed(f"the body is longer than {_SELECTABLE >> 20} MiB, too long for `select`", retryable=False)
        try:
            part = evaluated(self.select, json.loads(body))
        except ValueError:
            raise TaskFailed("the body is no JSON, of which `select` could take a part") from None
        canonical = json.dumps(part, sort_keys=True, separators=(",", ":")).encode()
        return hashlib.sha256(canonical).hexdigest(), size, body if size <= _INLINE else None

    def _event(self, response: httpx.Response, found: dict[str, Any], size: int, body: bytes | None) -> dict[str, Any]:
        data: dict[str, Any] = {
            "url": str(response.url.copy_with(query=None, fragment=None)),
            "status": response.status_code,
            "etag": found["etag"],
            "last_modified": found["last_modified"],
            "sha256": found["digest"],
            "size": size,
        }
        text = None if body is None else decoded(response, body)
        if text is not None and is_json(response):
            try:
                return {**data, "json": json.loads(text)}
            except ValueError:
                pass
        return data if text is None else {**data, "text": text}


def _given(headers: dict[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in headers.items() if text}
