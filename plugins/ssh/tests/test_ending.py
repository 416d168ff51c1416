"""Cancelling and timing out end what runs on the host, and not the connection only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from tests.lab.process import processes_with
from tests.lab.sshd import Sshd
from tests.lab.sshfleet import SshFleet

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_ssh.command import Command
from rota_ssh.script import Script

Fields = dict[str, Any]


def cancel_at(ctx: RecordedContext, line: str) -> None:
    """Cancel the task from another thread, as the conductor does, when it logs this line."""

    def seen(message: str, **_: Any) -> None:
        if message == line:
            threading.Thread(target=ctx.cancel).start()

    ctx.log.info = seen  # type: ignore[method-assign]


def test_cancelling_ends_everything_that_the_command_started(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path
) -> None:
    cancel_at(ctx, "up")
    command = f"sh -c 'sleep 300; : {tmp_path}/one' & sh -c 'sleep 301; : {tmp_path}/two' | cat & echo up; wait"
    with pytest.raises(TaskFailed, match="was cancelled"):
        Command(**any_host, command=command).run(ctx)
    assert processes_with(f": {tmp_path}") == []
    assert ctx.outputs[0].stdout == "up\n"
    assert ctx.log.lines == []


def test_closing_the_channel_alone_would_not_end_it(openssh: Fields, sshd: Sshd, tmp_path: Path) -> None:
    """The reason for all this: an OpenSSH server lets a command live on."""
    import paramiko

    with paramiko.SSHClient() as client:
        client.load_host_keys(openssh["known_hosts"])
        client.connect("127.0.0.1", sshd.port, sshd.user, key_filename=str(sshd.key.private))
        _, out, _ = client.exec_command(f"echo up; sleep 302; : {tmp_path}")
        assert out.readline() == "up\n"
        out.channel.close()
        _, pid, _ = client.exec_command("echo done")
        assert pid.readline() == "done\n"
        assert len(processes_with(f"sleep 302; : {tmp_path}")) == 1
        client.exec_command(f"pkill -f {tmp_path}")[1].read()


def test_what_ignores_sigterm_is_killed_after_the_grace(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    cancel_at(ctx, "up")
    command = f"trap '' TERM; echo up; while :; do sleep 0.1; : {tmp_path}; done"
    with pytest.raises(TaskFailed, match="was cancelled"):
        Command(**any_host, command=command, grace="300ms").run(ctx)
    assert processes_with(f": {tmp_path}") == []


def test_what_ends_in_order_has_its_last_word(ctx: RecordedContext, any_host: Fields) -> None:
    cancel_at(ctx, "up")
    command = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    with pytest.raises(TaskFailed, match="was cancelled") as failure:
        Command(**any_host, command=command).run(ctx)
    assert failure.value.output.stdout == "up\nbye\n"
    assert failure.value.output.exit_code == 0


def test_a_command_whose_output_cannot_be_stored_is_ended(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path
) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    ctx.artifacts.writer = lambda *_: nullcontext(Full())  # type: ignore[assignment, method-assign]
    command = f"echo up; sleep 307; : {tmp_path}"
    with pytest.raises(OSError, match="No space left"):
        Command(**any_host, command=command, stdout="artifact").run(ctx)
    assert processes_with(f": {tmp_path}") == []


def test_a_task_that_is_cancelled_already_runs_nothing(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    Command(**any_host, command="true").run(ctx)
    ctx.cancel()
    with pytest.raises(TaskFailed):
        Command(**any_host, command=f"sleep 1; touch {tmp_path}/made").run(ctx)
    assert not (tmp_path / "made").exists()


def test_cancelling_while_a_host_says_nothing_does_not_wait_for_it(ctx: RecordedContext, host: Fields) -> None:
    from tests.lab.silence import Silence

    with Silence.start() as silence:
        threading.Timer(0.3, ctx.cancel).start()
        fields = host | {"port": silence.port, "connect_timeout": "60s"}
        with pytest.raises(TaskFailed, match="was cancelled"):
            Command(**fields, command="true").run(ctx)


def test_the_command_is_ended_where_a_host_allows_one_session_only(ctx: RecordedContext, tmp_path: Path) -> None:
    with Sshd.start() as server:
        config = server.folder / "sshd_config"
        config.write_text(config.read_text().replace("MaxSessions 200", "MaxSessions 1"))
        server.restart()
        cancel_at(ctx, "up")
        fields = {"host": "127.0.0.1", "port": server.port, "user": server.user, "known_hosts": str(server.known_hosts)}
        with pytest.raises(TaskFailed, match="was cancelled"):
            Command(**fields, private_key_file=server.key.private, command=f"echo up; sleep 303; : {tmp_path}").run(ctx)
    assert processes_with(f": {tmp_path}") == []
    assert ctx.log.lines == []


def test_a_script_that_is_killed_leaves_no_file(ctx: RecordedContext, any_host: Fields) -> None:
    cancel_at(ctx, "up")
    code = "trap '' TERM; ls $0; echo up; while :; do sleep 0.1; done"
    with pytest.raises(TaskFailed, match="was cancelled") as failure:
        Script(**any_host, code=code, grace="300ms").run(ctx)
    path, up = failure.value.output.stdout.split()
    assert path.startswith("/tmp/rota-")
    assert up == "up"
    assert not Path(path).exists()


def test_a_timeout_of_a_flow_ends_the_command_on_the_host(
    run_flow: RunFlow, openssh: Fields, sshd: Sshd, tmp_path: Path
) -> None:
    run = run_flow(
        f"""
        id: late
        namespace: test
        tasks:
          - id: long
            type: ssh.command
            host: 127.0.0.1
            port: {sshd.port}
            user: {sshd.user}
            private_key_file: {sshd.key.private}
            known_hosts: {openssh["known_hosts"]}
            command: "echo up; sleep 304; : {tmp_path}"
            timeout: 2s
        """
    )
    assert run.state == "failed"
    assert "timeout" in run.error
    assert "up" in run.log
    assert processes_with(f": {tmp_path}") == []


def test_a_fleet_is_cancelled_on_all_hosts(
    ctx: RecordedContext, ssh_fleet: SshFleet, reach: Callable[[SshFleet, str], Fields], tmp_path: Path
) -> None:
    up = threading.Semaphore(0)
    ctx.log.info = lambda *_, **__: up.release()  # type: ignore[method-assign]
    failures: list[TaskFailed] = []

    def run(name: str) -> None:
        try:
            Command(**reach(ssh_fleet, name), command=f"echo up; sleep 305; : {tmp_path}").run(ctx)
        except TaskFailed as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(host.name,)) for host in ssh_fleet.hosts]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert up.acquire(timeout=30), failures
    ctx.cancel()
    for thread in threads:
        thread.join(30)
    assert [failure.message for failure in failures] == ["it was cancelled"] * 5
    assert processes_with(f": {tmp_path}") == []
