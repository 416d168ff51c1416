"""MongoDB's wire protocol: any number of servers in one process, or the one that `ROTA_TEST_MONGODB` names.

It is SecantusDB and no mongod; tests of what only a real one does want `ROTA_TEST_MONGODB`.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any, Self

from tests.lab import control
from tests.lab.certificates import ServerTls
from tests.lab.ports import on_free_ports
from tests.lab.server import PythonServer


class MongoDB(PythonServer):
    """`count` independent MongoDB servers, each with one user of the role `root`, all in one process.

    Each server asks for a login (SCRAM-SHA-256), is a replica set of one member, and keeps its data over `restart`.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.user: str = config["user"]
        self.password: str = config["password"]
        self._tls: bool = bool(config["tls"])
        super().__init__(__name__, config)

    @classmethod
    def start(cls, count: int = 1, *, tls: ServerTls | None = None, durable: bool = False) -> Self:
        """Start `count` servers, with TLS when given. Raises `ServerFailed`.

        What a `durable` one has acknowledged survives `kill`; else users do not, whatever the write concern.
        """
        files = tls.files if tls else {}
        account = {"user": "admin", "password": secrets.token_urlsafe(16)}
        return cls({"tls": files, "ports": [None] * count, "durable": durable, **account})

    def uri(self, index: int = 0) -> str:
        """The connection string of a server, with the login of its administrator."""
        return f"mongodb://{self.user}:{self.password}@{self.address(index)}/{'?tls=true' if self._tls else ''}"

    def address(self, index: int = 0) -> str:
        """`host:port` of a server."""
        return f"127.0.0.1:{self.ports[index]}"

    def stop_one(self, index: int) -> None:
        """Stop one of the servers: connections to it are refused until `start_one`."""
        self.ask("stop", index=index)

    def start_one(self, index: int) -> None:
        """Start a stopped server again, on its port and data."""
        self.ask("start", index=index)


class _Servers:
    """The servers inside the process."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder, self._tls, self._durable = folder, config["tls"], config["durable"]
        self._administrator = _administrator(config["user"], config["password"])
        self._running: dict[int, Any] = {}
        self._ports: list[int | None] = list(config["ports"])
        for index in range(len(self._ports)):
            self._start(index)

    def answer(self, what: str, arguments: dict[str, Any]) -> Any:
        if what == "ports":
            return self._ports
        index = int(arguments["index"])
        if what == "stop" and index in self._running:
            self._running.pop(index).stop()
        if what == "start" and index not in self._running:
            self._start(index)
        return None

    def _start(self, index: int) -> None:
        port = self._ports[index]
        if port is None:
            self._ports[index] = port = on_free_ports(1, lambda ports: self._open(index, ports[0]))
        else:
            self._open(index, port)

    def _open(self, index: int, port: int) -> int:
        from secantus import SecantusDBServer

        server = SecantusDBServer(
            port=port,
            storage_path=str(self._folder / f"data-{index}"),
            require_auth=True,
            # A most, not a least. With 8M, hundreds of small documents in one batch could block the server for good.
            cache_size="64M",
            sync_on_commit=self._durable,
            tls_cert_file=self._tls.get("cert"),
            tls_key_file=self._tls.get("key"),
            tls_ca_file=self._tls.get("client_ca"),
            tls_require_client_cert="client_ca" in self._tls,
        )
        try:
            # There is no localhost exception, so the first user is put into the store before the server listens.
            server.storage.add_user("admin", self._administrator["user"], self._administrator, replace=False)
            server.start()
        except BaseException:
            server.storage.close()
            raise
        self._running[index] = server
        return port


def _administrator(user: str, password: str) -> dict[str, Any]:
    from secantus.auth import derive_credentials

    return {
        "_id": f"admin.{user}",
        "user": user,
        "db": "admin",
        "credentials": derive_credentials(password).to_doc(),
        "roles": [{"role": "root", "db": "admin"}],
        "mechanisms": ["SCRAM-SHA-256"],
    }


def main(folder: Path) -> None:
    """Run the servers that `config.json` in `folder` asks for, until killed."""
    servers = _Servers(folder, json.loads((folder / "config.json").read_text()))
    control.serve(folder, servers.answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
