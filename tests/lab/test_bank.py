"""The bank that `python -m tests.lab up` opens, as a person would use it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import httpx
import pytest
import yaml

from rota.settings import load_settings
from tests.lab.process import processes_with
from tests.lab.server import ROOT
from tests.lab.sshkeys import KeyPair
from tests.lab.test_ssh import ssh


def lab(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.lab", "--folder", str(folder), *arguments]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bank")


@pytest.fixture(scope="module")
def opened(place: Path) -> Iterator[subprocess.Popen[str]]:
    """A bank of three clusters in a process of its own, which is open when this is given."""
    argv = lab(place, "up", "--clusters", "3")
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C closes the bank" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process
        process.kill()


def settings(place: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((place / "rota.yaml").read_text())
    return loaded


def secret(place: Path, name: str) -> str:
    return (place / "secrets" / name).read_text()


def run(place: Path, name: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a host of the bank, with nothing but the files that it wrote."""
    variables = settings(place)["namespaces"]["bank"]["variables"]
    clusters = json.loads((place / "clusters.json").read_text())
    port = next(cluster["ssh_port"] for cluster in clusters if cluster["name"] == name)
    key = place / "key"
    key.touch(mode=0o600)
    key.write_text(secret(place, "ssh/fleet/private_key"))
    return ssh(variables["ssh_user"], port, Path(variables["known_hosts"]), KeyPair(key), command)


def test_rota_takes_the_settings(opened: subprocess.Popen[str], place: Path) -> None:
    loaded = load_settings(place / "rota.yaml", env={})
    assert loaded.home == place / "home"
    assert loaded.namespaces["bank"].variables["bucket"] == "backups"
    assert [backend.id for backend in loaded.secrets] == ["lab"]
    assert [(rule.id, rule.to) for rule in loaded.alerts] == [("bank", [sink.id for sink in loaded.sinks])]


def test_the_inventory_lists_every_cluster(opened: subprocess.Popen[str], place: Path) -> None:
    url = settings(place)["namespaces"]["bank"]["variables"]["inventory_url"]
    headers = {"Authorization": f"Bearer {secret(place, 'inventory/token')}"}
    listed = httpx.get(f"{url}/clusters", headers=headers, trust_env=False).json()["items"]
    assert [cluster["name"] for cluster in listed] == ["db-01", "db-02", "db-03"]
    assert listed == json.loads((place / "clusters.json").read_text())


def test_a_host_dumps_its_database(opened: subprocess.Popen[str], place: Path) -> None:
    done = run(place, "db-02", 'mongodump --archive=dump.bson && wc -c < dump.bson && echo "$PWD"')
    assert "done dumping 300 documents" in done.stderr
    size, home = done.stdout.split()
    documents = bson.decode_all((Path(home) / "dump.bson").read_bytes())
    assert len((Path(home) / "dump.bson").read_bytes()) == int(size)
    assert documents[0]["ns"] == "shop.orders"
    assert {document["doc"]["cluster"] for document in documents} == {"db-02"}


def test_a_program_logs_in_to_vault_and_reads_a_cluster_password(opened: subprocess.Popen[str], place: Path) -> None:
    url = settings(place)["namespaces"]["bank"]["variables"]["vault_url"]
    body = {name: secret(place, f"vault/approle/{name}") for name in ("role_id", "secret_id")}
    token = httpx.post(f"{url}/v1/auth/approle/login", json=body, trust_env=False).json()["auth"]["client_token"]
    headers = {"X-Vault-Token": token}
    read = httpx.get(f"{url}/v1/secret/data/clusters/db-03", headers=headers, trust_env=False).json()
    assert read["data"]["data"]["username"] == "app"


def test_a_host_is_broken_and_mended_from_outside(opened: subprocess.Popen[str], place: Path) -> None:
    subprocess.run(lab(place, "fault", "db-01", "wrong_key"), cwd=ROOT, check=True, capture_output=True)
    assert "Permission denied" in run(place, "db-01", "true").stderr
    assert run(place, "db-02", "true").returncode == 0
    subprocess.run(lab(place, "fault", "db-01", "none"), cwd=ROOT, check=True, capture_output=True)
    assert run(place, "db-01", "echo $LAB_CLUSTER").stdout == "db-01\n"


def test_a_host_that_is_not_there_is_an_error_without_a_traceback(opened: subprocess.Popen[str], place: Path) -> None:
    argv = lab(place, "fault", "db-99", "down")
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: there is no host `db-99`\n"


def test_secrets_are_for_this_user_alone(opened: subprocess.Popen[str], place: Path) -> None:
    files = [path for path in (place / "secrets").rglob("*") if path.is_file()]
    assert len(files) > 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in [*files, place / "rota.yaml"]} == {0o600}
    readable = (place / "rota.yaml").read_text()
    assert [path.name for path in files if len(path.read_text()) > 8 and path.read_text() in readable] == ["url"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_bank_closes_in_peace_and_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    argv = lab(tmp_path, "up", "--clusters", "1")
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("Ctrl-C"):
            assert line
        known_hosts = Path(settings(tmp_path)["namespaces"]["bank"]["variables"]["known_hosts"])
        os.killpg(process.pid, how)
        assert process.stdout.read() == "the bank is closed\n"
    assert process.returncode == 0
    assert not known_hosts.parent.exists()
    assert processes_with(str(known_hosts.parent)) == []
    # What Rota has kept there stays, for the next bank.
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "home"]


def test_without_a_bank_a_fault_says_how_to_open_one(tmp_path: Path) -> None:
    argv = lab(tmp_path, "fault", "db-01", "down")
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "`python -m tests.lab up` starts one" in done.stderr
