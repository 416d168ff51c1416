"""The real OpenSSH server, where the system has it, with its own configuration, port and keys."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

from tests.lab.ports import on_free_ports
from tests.lab.process import ServerFailed, ServerProcess
from tests.lab.server import Server, temporary_folder
from tests.lab.sshkeys import KeyPair, written_whole

MISSING = "no sshd: `tests/lab/install-system.sh` installs it on Debian and Ubuntu, as root"


class Sshd(Server):
    """An OpenSSH server that lets `user` in by `key`, and by certificates of `trust_user_ca`.

    `user` is whoever runs the tests, since a server that is not root's can be nobody else; there is no password login.
    HOME is `home`; commands start in the login folder of `user`.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.user = getpass.getuser()
        self.home = folder / "home"
        self.key = KeyPair(folder / "client_key")
        self._host_key = KeyPair(folder / "host_key")
        (folder / "sshd_config").write_text(_configuration(folder, port))
        super().__init__(folder, lambda: _launch(folder, port))

    @classmethod
    def start(cls) -> Self:
        """Start a server on a free port. Raises `ServerFailed`, also where OpenSSH's server is not installed."""
        if not installed():
            raise ServerFailed(MISSING)
        folder = temporary_folder("sshd")
        try:
            for name in ("client_key", "host_key"):
                KeyPair.generate(folder / name)
            shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
            (folder / "user_ca").touch()
            (folder / "home").mkdir()
            return on_free_ports(1, lambda ports: cls(folder, ports[0]))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @property
    def host_key(self) -> str:
        """The server's public key, as a line without host names."""
        return self._host_key.public

    @property
    def known_hosts(self) -> Path:
        """A `known_hosts` file with the server's key."""
        return written_whole(self.folder / "known_hosts", f"[127.0.0.1]:{self.port} {self.host_key}\n")

    def authorize(self, public_key: str) -> None:
        """Let in another key, from the next login on; options may stand before it."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(public_key.strip() + "\n")

    def trust_user_ca(self, public_key: str) -> None:
        """Let in whoever shows a certificate for `user` signed by this key (an OpenSSH public key line)."""
        with (self.folder / "user_ca").open("a") as file:
            file.write(public_key.strip() + "\n")


def installed() -> bool:
    """Return whether this system has OpenSSH's server."""
    return _program() is not None


def _program() -> str | None:
    return shutil.which("sshd", path=os.pathsep.join(["/usr/sbin", "/usr/local/sbin", os.environ.get("PATH", "")]))


def _configuration(folder: Path, port: int) -> str:
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host_key",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        f"TrustedUserCAKeys {folder}/user_ca",
        f"PidFile {folder}/sshd.pid",
        f"SetEnv HOME={folder}/home",
        "AcceptEnv *",
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "AllowTcpForwarding yes",
        "MaxStartups 200",
        "PerSourceMaxStartups none",
        "MaxSessions 200",
        "UseDNS no",
        "PrintMotd no",
        "PrintLastLog no",
        "LogLevel VERBOSE",
        "Subsystem sftp internal-sftp",
    ]
    return "\n".join(lines) + "\n"


def _launch(folder: Path, port: int) -> ServerProcess:
    program = _program()
    if program is None:
        raise ServerFailed(MISSING)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation directory, made at boot elsewhere
    config = folder / "sshd_config"
    checked = subprocess.run([program, "-t", "-f", config], capture_output=True, text=True, check=False)
    if checked.returncode != 0:
        raise ServerFailed(f"sshd refuses its configuration: {checked.stderr.strip()}")
    pid_file = folder / "sshd.pid"
    pid_file.unlink(missing_ok=True)
    process = ServerProcess.start([program, "-D", "-e", "-f", config], folder, remove=folder)
    process.wait_until(lambda: _listens(pid_file, process.pid, port))
    return process


def _listens(pid_file: Path, pid: int, port: int) -> bool:
    """Return whether the server is up: it writes its process id once it has bound its port."""
    if not pid_file.exists() or pid_file.read_text().strip() != str(pid):
        return False
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(4) == b"SSH-"
