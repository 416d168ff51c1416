"""One SSH host of the fleet, as asyncssh serves it: who gets in, how commands run, what SFTP sees."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from pathlib import Path
from typing import Any

import asyncssh

from tests.lab.ports import listening_socket
from tests.lab.sshfault import Fault

_FULL_AT = 32 * 1024
"""Bytes that fit into a file on a host whose disk is "full"."""

_LIMITED = f"ulimit -f {_FULL_AT // 512}; trap '' XFSZ; "


class Doorkeeper:
    """Who the hosts of a fleet let in."""

    def __init__(self, user: str, password: str, key: asyncssh.SSHKey, user_ca: Path) -> None:
        self.user, self._password, self._key, self._user_ca = user, password, key, user_ca

    def knows_password(self, user: str, password: str) -> bool:
        return user == self.user and password == self._password

    def knows_key(self, user: str, key: asyncssh.SSHKey) -> bool:
        return user == self.user and key.public_data == self._key.public_data

    def knows_authority(self, user: str, key: asyncssh.SSHKey) -> bool:
        lines = self._user_ca.read_text().splitlines() if self._user_ca.exists() else []
        return user == self.user and any(
            asyncssh.import_public_key(line).public_data == key.public_data for line in lines
        )


class SshHost:
    """A port with a host key, a home folder, and perhaps a fault."""

    def __init__(
        self,
        name: str,
        home: Path,
        key: asyncssh.SSHKey,
        environment: dict[str, str],
        doorkeeper: Doorkeeper,
        listener: socket.socket,
    ) -> None:
        self.name, self.home, self.doorkeeper = name, home, doorkeeper
        self.fault: Fault | None = None
        self.port: int = listener.getsockname()[1]
        self._key, self._environment = key, environment
        self._listener: socket.socket | None = listener
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def open(self) -> None:
        """Serve on the socket."""
        if self._listener is None:
            self._listener = listening_socket(self.port)
        if self.fault is Fault.SILENT:
            return
        self._acceptor = await asyncssh.listen(
            sock=self._listener,
            server_host_keys=[self._key],
            server_factory=lambda: _Door(self),
            process_factory=self._run,
            sftp_factory=lambda channel: _Sftp(channel, self),
            allow_scp=True,
            encoding=None,
            line_editor=False,
            login_timeout=60,
        )

    async def set_fault(self, fault: Fault | None) -> None:
        """Break the host, or mend it."""
        await self._close()
        self.fault = fault
        if fault is not Fault.DOWN:
            await self.open()

    async def change_key(self, key: asyncssh.SSHKey) -> None:
        """Serve with another host key."""
        self._key = key
        await self.set_fault(self.fault)

    async def _close(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        if self._listener is not None:
            self._listener.close()
        self._acceptor = self._listener = None

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or "exec /bin/sh"
        limit = _LIMITED if self.fault is Fault.DISK_FULL else ""
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "USER": self.doorkeeper.user,
            "HOSTNAME": self.name,
            **self._environment,
            **process.env,
        }
        child = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f'{limit}exec /bin/sh -c "$1"', "sh", command),
            cwd=self.home,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        await _join(process, child)


async def _join(process: asyncssh.SSHServerProcess[bytes], child: asyncio.subprocess.Process) -> None:
    """Carry what client and command say to each other, then the command's end to the client."""
    assert child.stdin
    assert child.stdout
    assert child.stderr
    feed = asyncio.create_task(_feed(process, child.stdin))
    await asyncio.gather(_carry(child.stdout, process.stdout), _carry(child.stderr, process.stderr))
    code = await child.wait()
    feed.cancel()
    with contextlib.suppress(OSError, asyncssh.Error):
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)


async def _feed(process: asyncssh.SSHServerProcess[bytes], sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await process.stdin.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _carry(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    """Copy to the client; when it has gone, go on reading, so that the command lives on as it does with OpenSSH."""
    gone = False
    while data := await source.read(65536):
        try:
            if not gone:
                sink.write(data)
                await sink.drain()
        except (OSError, asyncssh.Error):
            gone = True


class _Door(asyncssh.SSHServer):
    """Decides who gets in to one host."""

    def __init__(self, host: SshHost) -> None:
        self._host = host

    @property
    def _locked(self) -> bool:
        return self._host.fault is Fault.WRONG_KEY

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return not self._locked and self._host.doorkeeper.knows_password(username, password)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return not self._locked and self._host.doorkeeper.knows_key(username, key)

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return not self._locked and self._host.doorkeeper.knows_authority(username, key)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True


class _Sftp(asyncssh.SFTPServer):
    """Files of the machine, relative paths from the host's home."""

    def __init__(self, channel: asyncssh.SSHServerChannel[Any], host: SshHost) -> None:
        super().__init__(channel)
        self._host = host

    def map_path(self, path: bytes) -> bytes:
        return os.fsencode(self._host.home / os.fsdecode(path))

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if self._host.fault is Fault.DISK_FULL and offset + len(data) > _FULL_AT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(file_obj, offset, data)
