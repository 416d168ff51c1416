"""A client of Vault, safe for threads: logs in when it has to, keeps its token alive, tells what went wrong."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from hvac.adapters import RawAdapter

from rota_vault.connection_fields import ConnectionFields
from rota_vault.problems import Problem, answered, unreachable


class VaultClient:
    """A session with Vault. `keep_alive` renews the token on a thread, for leases that live as long as it does."""

    def __init__(self, fields: ConnectionFields, *, keep_alive: bool = False) -> None:
        self._fields = fields
        self._lock = threading.RLock()
        self._token = ""
        self._renew_at = float("inf")
        self._closed = threading.Event()
        self._keep_alive = keep_alive
        self._session = requests.Session()
        self._session.trust_env = False  # no login of ~/.netrc, no other trust than what the fields say
        # Of the session, since hvac takes what it says before what the adapter is told.
        self._session.verify = str(fields.ca_file) if fields.ca_file else True
        if fields.server_certificate == "accept_any_insecure":
            self._session.verify = False
        if fields.client_certificate_file is not None:
            cert, key = str(fields.client_certificate_file), fields.client_key_file
            self._session.cert = cert if key is None else (cert, str(key))

    def request(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        wrap_ttl: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return Vault's answer, `{}` for an empty one. Raises Problem."""
        token = self._valid_token()
        try:
            return self._send(method, path, body, token, headers, wrap_ttl, params)
        except Problem as problem:
            if problem.status != 403 or self._fields.token is not None or self._is_known(token):
                raise
        with self._lock:  # the token has been revoked, or Vault does not know it any more
            if self._token == token:
                self._token = ""
        return self._send(method, path, body, self._valid_token(), headers, wrap_ttl, params)

    def close(self) -> None:
        """End the session; its token stays good, since leases end with it."""
        self._closed.set()
        self._session.close()

    def _is_known(self, token: str) -> bool:
        try:
            self._send("get", "auth/token/lookup-self", None, token)
        except Problem as problem:
            return problem.status != 403
        return True

    def _valid_token(self) -> str:
        with self._lock:
            if not self._token:
                self._log_in()
            elif time.monotonic() >= self._renew_at:
                self._renew()
            return self._token

    def _log_in(self) -> None:
        if self._fields.token is not None:
            self._token = self._fields.token.get_secret_value()
            with suppress(Problem):  # a token may not be allowed to look at itself
                found = self._send("get", "auth/token/lookup-self", None, self._token)["data"]
                self._lives(found.get("ttl", 0), found.get("renewable", False))
        else:
            path, body = _login(self._fields)
            found = self._send("post", path, body, "")["auth"]
            self._token = found["client_token"]
            self._lives(found.get("lease_duration", 0), found.get("renewable", False))
        if self._keep_alive:
            self._keep_alive = False
            me = weakref.ref(self)
            threading.Thread(target=_keep, args=(me, self._closed), name="rota-vault-token", daemon=True).start()

    def _renew(self) -> None:
        """Renew the token; where it can live no longer, log in anew."""
        try:
            found = self._send("post", "auth/token/renew-self", {}, self._token)["auth"]
            self._lives(found.get("lease_duration", 0), found.get("renewable", False))
        except Problem as problem:
            if self._fields.token is not None:
                self._renew_at = time.monotonic() + 30
            elif problem.status is not None:
                self._token = ""
                self._log_in()

    def _lives(self, seconds: float, renewable: bool) -> None:
        """Note when to renew a token that lives for `seconds`; 0 is for ever."""
        may = seconds > 0 and (renewable or self._fields.token is None)
        self._renew_at = time.monotonic() + seconds * 2 / 3 if may else float("inf")

    def seconds_to_renewal(self) -> float:
        """Return how long the token needs nothing, at most an hour."""
        return min(max(self._renew_at - time.monotonic(), 1), 3600)

    def keep_token(self) -> None:
        """Renew the token if it is time."""
        with suppress(Problem):
            self._valid_token()

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        token: str,
        headers: dict[str, str] | None = None,
        wrap_ttl: str | None = None,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        fields = self._fields
        adapter = RawAdapter(
            base_uri=fields.url,
            token=token,
            verify=fields.server_certificate == "verify",  # counts only where the session says nothing
            # Seconds to connect and to answer: `requests` takes both.
            timeout=(fields.connect_timeout.total_seconds(), fields.operation_timeout.total_seconds()),  # type: ignore[arg-type]
            session=self._session,
            namespace=fields.namespace,
        )
        more: dict[str, Any] = {"params": params} if params else {}
        try:
            # Its own errors do not tell every status.
            response = adapter.request(
                method,
                f"/v1/{path}",
                headers=dict(headers or {}),
                raise_exception=False,
                json=body,
                wrap_ttl=wrap_ttl,
                **more,
            )
            if not response.ok:
                raise answered(fields.url, path, response)
            found = response.json() if response.content else {}
        except (requests.RequestException, OSError) as error:
            raise unreachable(fields.url, error) from error
        return found if isinstance(found, dict) else {}


def _login(fields: ConnectionFields) -> tuple[str, dict[str, Any]]:
    """Return where and with what to log in. Raises Problem."""
    if fields.approle is not None:
        secret = fields.approle.secret_id
        body: dict[str, Any] = {"role_id": fields.approle.role_id}
        return f"auth/{fields.approle.mount}/login", body | (
            {"secret_id": secret.get_secret_value()} if secret is not None else {}
        )
    if fields.kubernetes is not None:
        role = {"role": fields.kubernetes.role, "jwt": _read(fields.kubernetes.token_file)}
        return f"auth/{fields.kubernetes.mount}/login", role
    if fields.jwt is not None:
        token = fields.jwt.jwt.get_secret_value() if fields.jwt.jwt else _read(fields.jwt.jwt_file or Path())
        named = {"role": fields.jwt.role} if fields.jwt.role else {}
        return f"auth/{fields.jwt.mount}/login", {**named, "jwt": token}
    assert fields.tls is not None
    return f"auth/{fields.tls.mount}/login", {"name": fields.tls.role} if fields.tls.role else {}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"the token in `{file}` cannot be read: {error}", retryable=False) from None


def _keep(me: Callable[[], VaultClient | None], closed: threading.Event) -> None:
    """Keep the token of a client alive as long as there is the client."""
    seconds = 1.0
    while not closed.wait(seconds):
        client = me()
        if client is None:
            return
        client.keep_token()
        seconds = client.seconds_to_renewal()
        del client
