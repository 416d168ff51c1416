"""Who asks: a basic login, a bearer token, or one that an OAuth2 authority gives for client credentials."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from urllib.parse import quote

import httpx

from rota import Context, TaskFailed
from rota_http.connection_fields import ConnectionFields, OAuth2, reveal
from rota_http.failures import origin, refusal

_MARGIN = 30.0
"""How many seconds before its end a token is not used any more."""

Exchange = Callable[[httpx.Request], httpx.Response]
"""Sends a request and returns the answer, its body read. Raises TaskFailed."""


class TokenCache:
    """The tokens of one OAuth2 client; of many tasks that ask at once, one gets a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def get(self, oauth2: OAuth2, send: Exchange, *, refused: str = "") -> str:
        """Return a token that is not the one `refused`. Raises TaskFailed."""
        with self._lock:
            if not self._token or self._token == refused or time.monotonic() >= self._until:
                self._token, seconds = _new_token(oauth2, send)
                self._until = time.monotonic() + max(seconds - _MARGIN, seconds / 2)
            return self._token


class Login:
    """What the fields say about who asks, put into a request."""

    def __init__(self, ctx: Context, fields: ConnectionFields, send: Exchange) -> None:
        self._fields, self._send = fields, send
        self._token = ""
        if fields.oauth2 is not None:
            with ctx.client(("http-token", fields.oauth2), TokenCache, lambda _: None, shared=True) as cache:
                self._cache = cache

    def sign(self, request: httpx.Request) -> None:
        """Set the header `Authorization`, unless the flow wrote one itself. Raises TaskFailed."""
        fields = self._fields
        if fields.user is not None:
            request.headers["Authorization"] = _basic(fields.user, reveal(fields.password) or "")
        elif fields.token is not None:
            request.headers["Authorization"] = f"Bearer {fields.token.get_secret_value()}"
        elif fields.oauth2 is not None:
            self._token = self._cache.get(fields.oauth2, self._send)
            request.headers["Authorization"] = f"Bearer {self._token}"

    def renew(self, request: httpx.Request, status: int) -> bool:
        """Say whether a request that got `status` is worth another try: it has a new token then."""
        if status != 401 or self._fields.oauth2 is None:
            return False
        token = self._cache.get(self._fields.oauth2, self._send, refused=self._token)
        new, self._token = token != self._token, token
        request.headers["Authorization"] = f"Bearer {token}"
        return new


def _new_token(oauth2: OAuth2, send: Exchange) -> tuple[str, float]:
    """Return a token and for how many seconds it is good."""
    form = {"grant_type": "client_credentials"}
    headers = {"Accept": "application/json"}
    secret = oauth2.client_secret.get_secret_value()
    if oauth2.send_credentials == "header":
        headers["Authorization"] = _basic(quote(oauth2.client_id, safe=""), quote(secret, safe=""))
    else:
        form |= {"client_id": oauth2.client_id, "client_secret": secret}
    form |= {name: text for name, text in (("scope", oauth2.scope), ("audience", oauth2.audience)) if text}
    request = httpx.Request("POST", str(reveal(oauth2.token_url)), data=form, headers=headers)
    response = send(request)
    if response.status_code != 200:
        # 400 is what RFC 6749 says to a wrong client, and 429 and the like are the ones that pass.
        final = response.status_code in {400, 401, 403, 404}
        raise TaskFailed(
            f"no token for the client `{oauth2.client_id}`: {refusal(response, oauth2.token_url, _error(response))}",
            retryable=False if final else None,
        )
    try:
        answer = response.json()
        token, seconds = answer["access_token"], float(answer.get("expires_in") or 300)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TaskFailed(
            f"`{origin(request.url)}` gave no `access_token`", retryable=False, hint="is `token_url` right?"
        ) from None
    return str(token), seconds


def _error(response: httpx.Response) -> str:
    try:
        answer = response.json()
        return f"{answer.get('error', '')} {answer.get('error_description', '')}"
    except (ValueError, AttributeError):
        return ""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
