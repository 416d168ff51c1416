"""Many SSH hosts in one process: each with its own port, host key and home, and faults that a test can switch on."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.lab import control
from tests.lab.ports import listening_socket
from tests.lab.server import PythonServer
from tests.lab.sshfault import Fault
from tests.lab.sshkeys import KeyPair, written_whole

if TYPE_CHECKING:
    import asyncssh

    from tests.lab.sshhost import SshHost


@dataclass(frozen=True)
class Host:
    """One host of the fleet; `home` is where its commands start and SFTP's relative paths lead."""

    name: str
    port: int
    host_key: str
    home: Path
    address: str = "127.0.0.1"


class SshFleet(PythonServer):
    """SSH hosts that let in the user `user` by `key` or `password`, and by certificates of `trust_user_ca`.

    Commands run with /bin/sh as the user of this process, without a terminal; SFTP, SCP and forwarding (so that a host
    can be a jump host) work. As with OpenSSH, a command outlives the connection that started it.
    """

    user = "rota"

    def __init__(self, names: Sequence[str], variables: dict[str, dict[str, str]]) -> None:
        self.password = secrets.token_urlsafe(12)
        config = {
            "names": list(names),
            "variables": variables,
            "user": self.user,
            "password": self.password,
            "ports": [None] * len(names),
        }
        super().__init__(__name__, config)

    @classmethod
    def start(cls, names: Sequence[str] = ("host-1",), *, variables: dict[str, dict[str, str]] | None = None) -> Self:
        """Start a host for each of `names`; `variables` are the environment of a host's commands, by its name.

        Raises `ServerFailed`.
        """
        return cls(names, variables or {})

    @property
    def key(self) -> KeyPair:
        """The key that every host lets in."""
        return KeyPair(self.folder / "client_key")

    @property
    def hosts(self) -> list[Host]:
        """The hosts, in the order of their names as given."""
        return [self.host(name) for name in self._config["names"]]

    def host(self, name: str) -> Host:
        """The host of that name."""
        home = self.folder / "hosts" / name
        port = self.ports[self._config["names"].index(name)]
        return Host(name, port, KeyPair(self.folder / f"{name}.key").public, home)

    @property
    def known_hosts(self) -> Path:
        """A `known_hosts` file with the keys of all hosts."""
        lines = [f"[{host.address}]:{host.port} {host.host_key}\n" for host in self.hosts]
        return written_whole(self.folder / "known_hosts", "".join(lines))

    def set_fault(self, name: str, fault: Fault | None) -> None:
        """Break a host, or mend it with None; this returns when it is so. Connections that are open stay open."""
        self.ask("fault", name=name, fault=fault)

    def mend(self) -> None:
        """Take every fault away, and every user authority."""
        self.ask("mend")

    def change_host_key(self, name: str) -> None:
        """Give a host a new key, as a rebuilt machine (or somebody in the middle) would have."""
        self.ask("new_host_key", name=name)

    def trust_user_ca(self, public_key: str) -> None:
        """Let in whoever shows a certificate for `user` signed by this key (an OpenSSH public key line)."""
        self.ask("trust", public_key=public_key)


class _Fleet:
    """The hosts inside the process; the control thread hands its requests to the event loop."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder, self._config = folder, config
        self._loop = asyncio.get_running_loop()
        self._hosts: dict[str, SshHost] = {}

    async def start(self) -> None:
        from tests.lab.sshhost import Doorkeeper, SshHost

        doorkeeper = Doorkeeper(
            self._config["user"], self._config["password"], self._client_key(), self._folder / "user_ca"
        )
        for name, port in zip(self._config["names"], self._config["ports"], strict=True):
            home = self._folder / "hosts" / name
            home.mkdir(parents=True, exist_ok=True)
            environment = self._config["variables"].get(name, {})
            host = SshHost(name, home, self._host_key(name), environment, doorkeeper, listening_socket(port))
            await host.open()
            self._hosts[name] = host

    def answer(self, what: str, arguments: dict[str, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(self._answer(what, **arguments), self._loop).result()

    async def _answer(self, what: str, name: str = "", fault: str | None = None, public_key: str = "") -> Any:
        if name and name not in self._hosts:
            raise control.Refused(f"there is no host `{name}`")
        if what == "fault":
            await self._hosts[name].set_fault(Fault(fault) if fault else None)
        elif what == "mend":
            await self._mend()
        elif what == "new_host_key":
            KeyPair.generate(self._folder / f"{name}.key")
            await self._hosts[name].change_key(self._host_key(name))
        elif what == "trust":
            with (self._folder / "user_ca").open("a") as file:
                file.write(public_key.strip() + "\n")
        return [host.port for host in self._hosts.values()]

    async def _mend(self) -> None:
        (self._folder / "user_ca").unlink(missing_ok=True)
        for host in self._hosts.values():
            if host.fault is not None:
                await host.set_fault(None)

    def _host_key(self, name: str) -> asyncssh.SSHKey:
        return _key(self._folder / f"{name}.key")

    def _client_key(self) -> asyncssh.SSHKey:
        return _key(self._folder / "client_key")


def _key(path: Path) -> asyncssh.SSHKey:
    import asyncssh

    pair = KeyPair(path) if path.exists() else KeyPair.generate(path)
    return asyncssh.read_private_key(pair.private)


async def _run(folder: Path) -> None:
    fleet = _Fleet(folder, json.loads((folder / "config.json").read_text()))
    await fleet.start()
    control.serve_in_thread(folder, fleet.answer)
    await asyncio.Event().wait()


def main(folder: Path) -> None:
    """Run the hosts that `config.json` in `folder` asks for, until killed."""
    os.umask(0o077)
    asyncio.run(_run(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
