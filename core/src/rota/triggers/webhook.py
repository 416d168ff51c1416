"""Webhook triggers, without HTTP: whether a call is who it says, what it starts, and the status to answer with."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rota.errors import ExpressionError
from rota.flows.templates import compile_expression, is_secret
from rota.flows.triggers import WebhookTrigger

KIND = "webhook"
LONGEST_KEY = 500
HIDDEN = frozenset(("authorization", "cookie", "proxy-authorization"))
"""Headers that no event has: they say who calls, and that is for the check alone."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came in: header names in lower case, the body whole."""

    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: an HTTP status, a sentence, and the execution that the call started or had started before."""

    status: int
    message: str
    execution_id: str | None = None


class Refused(Exception):
    """A call that starts nothing; `answer` says why, and nothing that would help a stranger."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, message)


def event_of(call: Call, trigger: WebhookTrigger, render: Callable[[Any], Any]) -> dict[str, Any]:
    """Return `trigger.event` of a call: `method, headers, query, body` (JSON, or text), `text`.

    `render` gives the values of `token` and `hmac`, which are mostly secrets. Raises Refused.
    """
    if len(call.body) > trigger.max_size:
        raise Refused(413, f"the body is larger than {trigger.max_size:,} bytes")
    _check_caller(call, trigger, render)
    try:
        text = call.body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(400, "the body is no UTF-8") from None
    return {
        "method": call.method,
        "headers": {name: value for name, value in call.headers.items() if name not in HIDDEN},
        "query": dict(call.query),
        "text": text,
        "body": _body(call, text),
    }


def key_of_call(trigger: WebhookTrigger, event: Mapping[str, Any]) -> str | None:
    """Return the idempotency key of a call; None where the trigger has none. Raises Refused."""
    if trigger.idempotency_key is None:
        return None
    try:
        key = compile_expression(trigger.idempotency_key).render({"trigger": {"id": trigger.id, "event": event}})
    except ExpressionError as error:
        raise Refused(422, f"`idempotency_key`: {error.message}") from None
    if is_secret(key) or isinstance(key, bool) or not isinstance(key, (str, int)) or not str(key):
        raise Refused(422, "`idempotency_key` gives no text")
    if len(str(key)) > LONGEST_KEY:
        raise Refused(422, f"`idempotency_key` gives more than {LONGEST_KEY} characters")
    return str(key)


def _check_caller(call: Call, trigger: WebhookTrigger, render: Callable[[Any], Any]) -> None:
    """Compare token and signature in constant time. A trigger with neither takes every call."""
    if trigger.token is not None:
        scheme, _, given = call.headers.get("authorization", "").partition(" ")
        wanted = _plain(render(trigger.token))
        if scheme.lower() != "bearer" or not _same(given.strip(), wanted):
            raise Refused(401, "the bearer token is missing or wrong")
    if trigger.hmac is not None:
        key = _plain(render(trigger.hmac)).encode()
        digest = hmac.new(key, call.body, hashlib.sha256).hexdigest()
        given = call.headers.get(trigger.signature_header.lower(), "").removeprefix("sha256=")
        # With an empty key anybody could sign.
        if not key or not _same(given.strip().lower(), digest):
            raise Refused(401, "the signature is missing or wrong")


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _plain(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


def _body(call: Call, text: str) -> Any:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"the body is no JSON: {error}") from None
    return text
