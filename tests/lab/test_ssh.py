"""The lab's SSH hosts, simulated and real, as a real client sees them."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from tests.lab.process import processes_with
from tests.lab.sshd import Sshd
from tests.lab.sshfault import Fault
from tests.lab.sshfleet import Host, SshFleet
from tests.lab.sshkeys import KeyPair

_OPTIONS = "-F none -o BatchMode=yes -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes".split()


def ssh(
    user: str, port: int, known_hosts: Path, key: KeyPair, command: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on a host with OpenSSH's client."""
    where = ["-o", f"UserKnownHostsFile={known_hosts}", "-i", str(key.private), "-p", str(port), f"{user}@127.0.0.1"]
    argv = ["ssh", *_OPTIONS, *options, "-o", "ConnectTimeout=30", *where, command]
    # Files, no pipes: a proxy that ssh has left behind would hold those open.
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False, timeout=100)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(argv, done.returncode, out.read(), err.read())


def on(fleet: SshFleet, host: Host, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    return ssh(fleet.user, host.port, fleet.known_hosts, fleet.key, command, *options)


def sftp(fleet: SshFleet, host: Host, batch: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run lines of OpenSSH's `sftp` on a host."""
    lines = tmp_path / "batch"
    lines.write_text(batch)
    where = ["-o", f"UserKnownHostsFile={fleet.known_hosts}", "-i", str(fleet.key.private), "-P", str(host.port)]
    argv = ["sftp", "-b", str(lines), *_OPTIONS, *where, f"{fleet.user}@{host.address}"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_a_host_runs_commands_in_its_home(ssh_fleet: SshFleet) -> None:
    host = ssh_fleet.host("host-2")
    done = on(ssh_fleet, host, "pwd; echo $HOSTNAME $USER; echo oh >&2; exit 3")
    assert done.stdout.splitlines() == [str(host.home), "host-2 rota"]
    assert done.stderr == "oh\n"
    assert done.returncode == 3


def test_a_host_takes_and_gives_files(ssh_fleet: SshFleet, tmp_path: Path) -> None:
    host = ssh_fleet.host("host-1")
    (tmp_path / "up").write_bytes(bytes(range(256)) * 1000)
    done = sftp(ssh_fleet, host, f"put {tmp_path}/up there\nget there {tmp_path}/down\n", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (host.home / "there").read_bytes() == (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()


def test_a_host_can_be_jumped_over(ssh_fleet: SshFleet) -> None:
    first, last = ssh_fleet.host("host-1"), ssh_fleet.host("host-3")
    known, key = ssh_fleet.known_hosts, ssh_fleet.key.private
    way = [f"UserKnownHostsFile={known}", "-i", str(key), "-p", str(first.port), f"{ssh_fleet.user}@{first.address}"]
    jump = " ".join(["ssh", *_OPTIONS, "-W", "%h:%p", "-o", *way])
    assert on(ssh_fleet, last, "echo $HOSTNAME", "-o", f"ProxyCommand={jump}").stdout == "host-3\n"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.DOWN, "Connection refused"),
        (Fault.SILENT, "timed out"),
        (Fault.WRONG_KEY, "Permission denied"),
        (Fault.DISK_FULL, "File too large"),
    ],
)
def test_a_host_breaks_and_is_mended(ssh_fleet: SshFleet, fault: Fault, message: str) -> None:
    host = ssh_fleet.host("host-4")
    ssh_fleet.set_fault("host-4", fault)
    patience = ["-o", "ConnectTimeout=2"] if fault is Fault.SILENT else []
    broken = on(ssh_fleet, host, "head -c 100000 /dev/zero > big", *patience)
    assert broken.returncode != 0
    assert message in broken.stderr
    assert on(ssh_fleet, ssh_fleet.host("host-5"), "true").returncode == 0
    ssh_fleet.set_fault("host-4", None)
    assert on(ssh_fleet, host, "head -c 100000 /dev/zero > big").returncode == 0


def test_a_full_disk_takes_no_uploads(ssh_fleet: SshFleet, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(100_000))
    ssh_fleet.set_fault("host-1", Fault.DISK_FULL)
    done = sftp(ssh_fleet, ssh_fleet.host("host-1"), f"put {tmp_path}/big big\n", tmp_path)
    assert done.returncode != 0
    assert "write remote" in done.stderr


def test_a_changed_host_key_is_noticed(ssh_fleet: SshFleet, tmp_path: Path) -> None:
    host = ssh_fleet.host("host-2")
    known = tmp_path / "known_hosts"
    known.write_bytes(ssh_fleet.known_hosts.read_bytes())
    ssh_fleet.change_host_key("host-2")
    done = ssh(ssh_fleet.user, host.port, known, ssh_fleet.key, "true")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
    assert on(ssh_fleet, host, "true").returncode == 0


def test_a_command_outlives_its_connection_and_not_the_fleet() -> None:
    with SshFleet.start(["a"]) as fleet:
        command = f"touch up; while sleep 0.1; do : {fleet.folder}/marker; done"
        host = fleet.host("a")
        argv = ["ssh", *_OPTIONS, "-o", f"UserKnownHostsFile={fleet.known_hosts}", "-i", str(fleet.key.private)]
        with subprocess.Popen([*argv, "-p", str(host.port), f"{fleet.user}@127.0.0.1", command]) as client:
            while not (host.home / "up").exists():
                assert client.poll() is None
                time.sleep(0.01)
            client.kill()
        assert on(fleet, host, "true").returncode == 0
        assert processes_with(f"{fleet.folder}/marker") != []
    assert processes_with(str(fleet.folder)) == []
    assert not fleet.folder.exists()


def test_a_restarted_fleet_has_its_ports_keys_and_files() -> None:
    with SshFleet.start(["a", "b"]) as fleet:
        before = fleet.hosts
        on(fleet, before[0], "echo 1 > kept")
        fleet.restart()
        assert fleet.hosts == before
        assert on(fleet, before[0], "cat kept").stdout == "1\n"


def test_fifty_seven_hosts_answer() -> None:
    with SshFleet.start([f"db-{number:02}" for number in range(57)]) as fleet:
        assert len({host.port for host in fleet.hosts}) == 57
        assert on(fleet, fleet.hosts[-1], "echo $HOSTNAME").stdout == "db-56\n"


def test_a_real_sshd_runs_commands(sshd: Sshd) -> None:
    done = ssh(sshd.user, sshd.port, sshd.known_hosts, sshd.key, "whoami; echo $HOME; exit 4")
    assert done.stdout.splitlines() == [sshd.user, str(sshd.home)]
    assert done.returncode == 4


def test_a_real_sshd_refuses_an_unknown_key_until_it_is_authorized(sshd: Sshd, tmp_path: Path) -> None:
    other = KeyPair.generate(tmp_path / "other")
    refused = ssh(sshd.user, sshd.port, sshd.known_hosts, other, "true")
    assert "Permission denied" in refused.stderr
    sshd.authorize(other.public)
    assert ssh(sshd.user, sshd.port, sshd.known_hosts, other, "true").returncode == 0


def test_nothing_is_left_of_a_stopped_sshd(sshd: Sshd) -> None:
    with Sshd.start() as own:
        command = f"(exec sh -c 'sleep 1000; : {own.folder}') >/dev/null 2>&1 & echo started"
        assert ssh(own.user, own.port, own.known_hosts, own.key, command).stdout == "started\n"
        assert processes_with(f": {own.folder}") != []
    assert processes_with(str(own.folder)) == []
    assert not own.folder.exists()


def test_the_file_of_known_hosts_is_whole_whoever_asks_for_it_meanwhile(ssh_fleet: SshFleet) -> None:
    file = ssh_fleet.known_hosts
    whole, over = file.read_text(), threading.Event()

    def ask() -> None:
        try:
            for _ in range(200):
                _ = ssh_fleet.known_hosts
        finally:
            over.set()

    threading.Thread(target=ask, daemon=True).start()
    seen = set()
    while not over.is_set():
        seen.add(file.read_text())
    assert seen == {whole}
