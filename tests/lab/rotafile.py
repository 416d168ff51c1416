"""The files that let Rota use a running bank: `rota.yaml`, a folder of secrets, and the clusters as a list."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from rota.store import keyring
from tests.lab.bank import Bank

NAMESPACE = "bank"
_MAIL = {"host": "127.0.0.1", "security": "none", "sender": "rota@bank.example", "to": ["dba@bank.example"]}
_SOON = {"group": "2s"}


def write(bank: Bank, folder: Path) -> Path:
    """Write everything into `folder`, over what an earlier bank left there, and return the path of `rota.yaml`."""
    _write_secrets(bank, folder / "secrets")
    (folder / "clusters.json").write_text(json.dumps(bank.clusters, indent=2) + "\n")
    _write_mongod(folder / "mongod")
    keyring.create(folder / "home" / "secret.key")
    path = folder / "rota.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(settings(bank, folder), sort_keys=False, width=120))
    return path


def remove(folder: Path) -> None:
    """Remove what `write` made, and leave Rota's home with its history."""
    shutil.rmtree(folder / "secrets", ignore_errors=True)
    for name in ("rota.yaml", "clusters.json", "mongod"):
        (folder / name).unlink(missing_ok=True)


def settings(bank: Bank, folder: Path) -> dict[str, Any]:
    """Return Rota's settings for this bank."""
    variables = {
        "clusters_file": str(folder / "clusters.json"),
        "inventory_url": bank.inventory.url,
        "reference_mongodb": bank.reference_mongodb,
        "vault_url": bank.vault.url,
        "s3_endpoint": bank.s3.url,
        "s3_region": bank.s3.region,
        "bucket": "backups",
        "mongod": str(folder / "mongod"),
        "ssh_user": bank.fleet.user,
        "known_hosts": str(bank.fleet.known_hosts),
        "smtp": {"host": "127.0.0.1", "port": bank.smtp.port},
        "git_url": bank.git.url("flows"),
    }
    return {
        "home": str(folder / "home"),
        "secrets": [{"id": "lab", "type": "file", "folder": str(folder / "secrets"), "namespaces": [NAMESPACE]}],
        "namespaces": {NAMESPACE: {"variables": variables}},
        "sinks": [{"id": "dba", "type": "mail", **_MAIL, "port": bank.smtp.port}],
        "alerts": [{"id": "bank", "to": ["dba"], "namespaces": [NAMESPACE], "states": ["warning", "failed"], **_SOON}],
    }


def _write_mongod(path: Path) -> None:
    """Write a program that starts a MongoDB server as `mongod --config FILE` does."""
    argv = shlex.join([sys.executable, "-P", str(Path(__file__).with_name("mongod.py"))])
    path.write_text(f'#!/bin/sh\nexec {argv} "$@"\n')
    path.chmod(0o700)


def _write_secrets(bank: Bank, folder: Path) -> None:
    """Write a folder a secret and a file a field, as Kubernetes mounts them."""
    shutil.rmtree(folder, ignore_errors=True)
    known = bank.s3.identities["backup"]
    fields = {
        # Without the user's name, which is no secret: it would be `***` in every log.
        "ssh/fleet": {"private_key": bank.fleet.key.private.read_text(), "password": bank.fleet.password},
        "mongodb/admin": {"username": bank.mongodb.user, "password": bank.mongodb.password},
        "s3/backup": {"access_key": known.access_key, "secret_key": known.secret_key},
        "inventory": {"url": bank.inventory.url, "token": bank.inventory.token},
        "vault/approle": {"role_id": bank.approle.role_id, "secret_id": bank.approle.secret_id},
        "postgres": {"url": bank.postgres.url},
    }
    for name, values in fields.items():
        for field, value in values.items():
            path = folder / name / field
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(value)
