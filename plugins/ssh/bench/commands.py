"""`ssh.command` over many hosts at once, beside bare paramiko with a thread a host."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.bench.running import best, seconds_of
from tests.lab.sshfleet import Host, SshFleet

from rota.testing.running import FlowRunner

if TYPE_CHECKING:
    import paramiko

COMMAND = "echo hello"


def measure(hosts: int = 50, *, parallel: int | None = None, rounds: int = 3) -> tuple[float, float]:
    """Return the seconds for a command on `hosts` hosts, by a flow and by bare paramiko; the best of `rounds` each.

    All at once unless `parallel` says how many; bare paramiko has that many threads, too.
    """
    with SshFleet.start([f"h{number}" for number in range(hosts)]) as fleet:
        return compare(fleet, parallel or hosts, rounds)


def compare(fleet: SshFleet, parallel: int, rounds: int) -> tuple[float, float]:
    """Return the seconds for both over a fleet that runs; made in turns, so that both have the same conditions."""
    with TemporaryDirectory() as folder, FlowRunner(Path(folder) / "home") as runner:
        flow = _flow(fleet, parallel)
        _run(runner, flow, fleet)
        _bare(fleet.hosts[:1], fleet, 1)
        own, bare = best(
            lambda: seconds_of(lambda: _run(runner, flow, fleet)),
            lambda: seconds_of(lambda: _bare(fleet.hosts, fleet, parallel)),
            rounds=rounds,
        )
    return own, bare


def measure_ansible(hosts: int = 50, rounds: int = 3) -> tuple[float, float]:
    """Return the seconds for a command on `hosts` hosts at once, by a flow and by `ansible -m raw`; as `measure`."""
    with (
        SshFleet.start([f"h{number}" for number in range(hosts)]) as fleet,
        TemporaryDirectory() as folder,
        FlowRunner(Path(folder) / "home") as runner,
    ):
        flow = _flow(fleet, hosts)
        _run(runner, flow, fleet)
        own, ansible = best(
            lambda: seconds_of(lambda: _run(runner, flow, fleet)),
            lambda: seconds_of(lambda: _ansible(fleet, Path(folder))),
            rounds=rounds,
        )
    return own, ansible


def _ansible(fleet: SshFleet, folder: Path) -> None:
    login = f"ansible_host=127.0.0.1 ansible_user={fleet.user} ansible_ssh_private_key_file={fleet.key.private}"
    inventory = folder / "hosts"
    inventory.write_text("".join(f"{host.name} {login} ansible_port={host.port}\n" for host in fleet.hosts))
    argv = [sys.executable, "-m", "ansible.cli.adhoc", "all", "-i", str(inventory), "-m", "raw", "-a", COMMAND]
    known = f"-o UserKnownHostsFile={fleet.known_hosts} -o ControlMaster=no"
    environment = {**os.environ, "ANSIBLE_SSH_ARGS": known, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(folder)}
    argv += ["-f", str(len(fleet.hosts))]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.count("hello") == len(fleet.hosts), done.stdout[-2000:] + done.stderr[-2000:]


def _flow(fleet: SshFleet, parallel: int) -> str:
    targets = [{"name": host.name, "port": host.port} for host in fleet.hosts]
    return f"""
id: commands
namespace: bench
tasks:
  - id: all
    type: fleet
    targets: {targets}
    key: "{{{{ target.name }}}}"
    rollout: {{max_parallel: {parallel}}}
    tasks:
      - id: say
        type: ssh.command
        host: 127.0.0.1
        port: "{{{{ target.port }}}}"
        user: {fleet.user}
        private_key_file: {fleet.key.private}
        known_hosts: {fleet.known_hosts}
        command: {COMMAND}
"""


def _run(runner: FlowRunner, flow: str, fleet: SshFleet) -> None:
    run = runner.run(flow, timeout=300)
    assert run.state == "success", run.log
    assert run.log.count("hello") == len(fleet.hosts)


def _bare(hosts: Sequence[Host], fleet: SshFleet, parallel: int) -> None:
    """As fast as paramiko goes: the key is read once, and a client knows only the host that it connects to."""
    import paramiko

    waiting = iter(hosts)
    lock = threading.Lock()
    outputs: list[bytes] = []
    key = paramiko.Ed25519Key.from_private_key_file(str(fleet.key.private))

    def work() -> None:
        while True:
            with lock:
                host = next(waiting, None)
            if host is None:
                return
            outputs.append(_command(host, fleet.user, key))

    threads = [threading.Thread(target=work) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == [b"hello\n"] * len(hosts)


def _command(host: Host, user: str, key: paramiko.PKey) -> bytes:
    import paramiko

    kind, blob = host.host_key.split()[:2]
    with paramiko.SSHClient() as client:
        known = paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
        client.get_host_keys().add(f"[{host.address}]:{host.port}", kind, known)
        client.connect(host.address, host.port, user, pkey=key, allow_agent=False, look_for_keys=False)
        _, out, _ = client.exec_command(COMMAND)
        return out.read()


def main() -> None:
    """Print the figures for as many hosts as the first argument says (50), so many at once as the second."""
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    parallel = int(sys.argv[2]) if len(sys.argv) > 2 else hosts
    own, bare = measure(hosts, parallel=parallel)
    print(f"ssh.command over {hosts} hosts, {parallel} at once: {own:.2f} s")
    print(f"paramiko: {bare:.2f} s; {own / bare:.2f} times that")


if __name__ == "__main__":
    main()
