"""Tests of `ssh.command` against a simulated host and a real OpenSSH server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lab.silence import Silence
from tests.lab.sshd import Sshd
from tests.lab.sshfault import Fault
from tests.lab.sshfleet import SshFleet

from rota import Artifact, TaskFailed
from rota.testing import LogLine, RecordedContext, RunFlow
from rota_ssh.command import Command

Fields = dict[str, Any]


def test_a_command_gives_its_output_and_its_exit_code(ctx: RecordedContext, any_host: Fields) -> None:
    done = Command(**any_host, command="echo out; echo oh >&2; exit 3", exit_codes=[0, 3]).run(ctx)
    assert (done.exit_code, done.stdout, done.stderr, done.truncated) == (3, "out\n", "oh\n", False)
    assert sorted(ctx.log.lines, key=str) == [LogLine("info", "out"), LogLine("warning", "oh")]


def test_another_exit_code_is_a_failure_with_the_output(ctx: RecordedContext, any_host: Fields) -> None:
    with pytest.raises(TaskFailed, match=r"exit code 4: no such thing$") as failure:
        Command(**any_host, command="echo some; echo no such thing >&2; exit 4").run(ctx)
    assert failure.value.output.stdout == "some\n"
    assert failure.value.retryable is None


def test_the_first_command_that_fails_is_the_last(ctx: RecordedContext, any_host: Fields) -> None:
    with pytest.raises(TaskFailed, match="exit code 1"):
        Command(**any_host, command="false\necho on").run(ctx)
    assert Command(**any_host, command="false\necho on", fail_fast=False).run(ctx).stdout == "on\n"


def test_a_list_of_words_is_quoted(ctx: RecordedContext, any_host: Fields) -> None:
    done = Command(**any_host, command=["printf", "%s|", "a b", "$HOME", "it's", 7]).run(ctx)
    assert done.stdout == "a b|$HOME|it's|7|"


def test_environment_and_folder_are_those_asked_for(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    env = {"TEXT": "it's\n$HOME `x`", "FLAG": True, "N": 7}
    command = 'pwd; printf "%s/" "$TEXT" "$FLAG" "$N"'
    done = Command(**any_host, command=command, env=env, cwd=str(tmp_path)).run(ctx)
    assert done.stdout == f"{tmp_path}\nit's\n$HOME `x`/true/7/"


def test_a_folder_that_is_not_there_is_a_failure(ctx: RecordedContext, any_host: Fields) -> None:
    with pytest.raises(TaskFailed, match="exit code 126"):
        Command(**any_host, command="echo no", cwd="/nowhere").run(ctx)


def test_another_shell_can_run_it(ctx: RecordedContext, any_host: Fields) -> None:
    done = Command(**any_host, command='[[ a == a ]] && echo "$BASH_VERSION" && set -o', shell="bash -o pipefail").run(
        ctx
    )
    assert "pipefail       \ton" in str(done.stdout)


def test_a_shell_that_is_not_there_is_a_failure_for_good(ctx: RecordedContext, any_host: Fields) -> None:
    with pytest.raises(TaskFailed, match=r"`nosuchshell` could not be started.*not found") as failure:
        Command(**any_host, command="true", shell="nosuchshell").run(ctx)
    assert failure.value.retryable is False


def test_neither_command_nor_environment_is_among_the_arguments(ctx: RecordedContext, any_host: Fields) -> None:
    command = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f; echo; done 2>/dev/null; : visible-text"
    done = Command(**any_host, command=command, env={"TOKEN": "visible-token"}, fail_fast=False).run(ctx)
    assert "rota:" in str(done.stdout)
    assert "visible-t" not in str(done.stdout)


def test_standard_input_is_text_a_file_or_an_artifact(ctx: RecordedContext, any_host: Fields) -> None:
    (ctx.workdir / "given").write_bytes(b"from a file")
    artifact = ctx.artifacts.save(ctx.workdir / "given")
    assert Command(**any_host, command="cat", stdin="text\n").run(ctx).stdout == "text\n"
    assert Command(**any_host, command="cat", stdin={"file": "given"}).run(ctx).stdout == "from a file"
    assert Command(**any_host, command="cat", stdin=artifact).run(ctx).stdout == "from a file"
    assert Command(**any_host, command="cat").run(ctx).stdout == ""


def test_standard_input_cannot_come_from_outside_the_work_folder(ctx: RecordedContext, host: Fields) -> None:
    with pytest.raises(TaskFailed, match="leads out of the work folder"):
        Command(**host, command="cat", stdin={"file": "../secret"}).run(ctx)


def test_a_large_input_comes_back_as_an_artifact(ctx: RecordedContext, any_host: Fields) -> None:
    data = os.urandom(1 << 20) * 6
    (ctx.workdir / "large").write_bytes(data)
    done = Command(**any_host, command="cat", stdin={"file": "large"}, stdout="artifact").run(ctx)
    assert isinstance(done.stdout, Artifact)
    assert ctx.artifacts.read(done.stdout) == data
    assert ctx.log.lines == []


def test_an_input_that_nobody_reads_is_no_failure(ctx: RecordedContext, any_host: Fields) -> None:
    (ctx.workdir / "large").write_bytes(bytes(8 << 20))
    assert Command(**any_host, command="exec <&-; echo done", stdin={"file": "large"}).run(ctx).stdout == "done\n"


def test_a_failing_command_leaves_no_artifact(ctx: RecordedContext, host: Fields) -> None:
    with pytest.raises(TaskFailed, match="exit code 1"):
        Command(**host, command="echo half; exit 1", stdout="artifact").run(ctx)


def test_a_long_output_is_cut_at_its_beginning_and_logged_whole(ctx: RecordedContext, any_host: Fields) -> None:
    done = Command(**any_host, command="seq 1 30000").run(ctx)
    assert isinstance(done.stdout, str)
    assert done.truncated
    assert len(done.stdout) == 64 * 1024
    assert done.stdout.endswith("29999\n30000\n")
    assert [line.message for line in ctx.log.lines] == [str(number) for number in range(1, 30001)]


def test_what_is_not_utf_8_is_replaced(ctx: RecordedContext, any_host: Fields) -> None:
    done = Command(**any_host, command=r"printf 'a\377b\303\244\n'").run(ctx)
    assert done.stdout == "a\N{REPLACEMENT CHARACTER}bä\n"


def test_a_long_command_arrives_whole(ctx: RecordedContext, any_host: Fields) -> None:
    text = "\n".join(f": line {number} with 'quotes' and ünïcode" for number in range(800))
    assert Command(**any_host, command=f"{text}\necho end").run(ctx).stdout == "end\n"


def test_one_connection_serves_one_command_after_the_other(ctx: RecordedContext, openssh: Fields) -> None:
    ports = {Command(**openssh, command="echo $SSH_CLIENT").run(ctx).stdout for _ in range(3)}
    assert len(ports) == 1


def test_a_command_in_the_background_does_not_hold_the_task(ctx: RecordedContext, openssh: Fields) -> None:
    done = Command(**openssh, command="sleep 60 & echo $!").run(ctx)
    assert isinstance(done.stdout, str)
    Command(**openssh, command=f"kill {done.stdout}").run(ctx)


def test_a_full_disk_fails_the_command(ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet) -> None:
    ssh_fleet.set_fault("host-1", Fault.DISK_FULL)
    with pytest.raises(TaskFailed, match="File too large"):
        Command(**host, command="head -c 100000 /dev/zero > big").run(ctx)


def test_a_host_that_is_down_may_be_up_later(ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet) -> None:
    ssh_fleet.set_fault("host-1", Fault.DOWN)
    with pytest.raises(TaskFailed, match=r"cannot be reached: connection refused") as failure:
        Command(**host, command="true").run(ctx)
    assert failure.value.retryable is None


def test_a_host_that_says_nothing_is_given_up_in_time(ctx: RecordedContext, host: Fields, silence: Silence) -> None:
    fields = host | {"port": silence.port, "connect_timeout": "300ms"}
    with pytest.raises(TaskFailed, match=rf"`127.0.0.1:{silence.port}` did not answer within 0.3 s"):
        Command(**fields, command="true").run(ctx)


def test_a_name_that_does_not_exist_is_a_failure_for_good(ctx: RecordedContext, host: Fields) -> None:
    with pytest.raises(TaskFailed, match=r"`no\.such\.host\.invalid:") as failure:
        Command(**host | {"host": "no.such.host.invalid"}, command="true").run(ctx)
    assert "known" in failure.value.message


def test_a_server_that_dies_in_the_middle_is_named(
    ctx: RecordedContext, reach: Callable[[SshFleet, str], Fields]
) -> None:
    with SshFleet.start(["a"]) as fleet:

        def kill(message: str, **_: Any) -> None:
            fleet.kill()

        ctx.log.info = kill  # type: ignore[method-assign]
        with pytest.raises(TaskFailed, match="was lost while running the command") as failure:
            Command(**reach(fleet, "a"), command="echo up; sleep 60").run(ctx)
    assert failure.value.hint.startswith("it may still run there, as process group ")
    assert failure.value.output.stdout == "up\n"


def test_a_server_that_freezes_is_noticed_by_keepalive(ctx: RecordedContext) -> None:
    import signal

    with Sshd.start() as server:
        fields = {"host": "127.0.0.1", "port": server.port, "user": server.user, "known_hosts": str(server.known_hosts)}
        key = server.key.private.read_text()

        def freeze(message: str, **_: Any) -> None:
            os.kill(int(message), signal.SIGSTOP)

        ctx.log.info = freeze  # type: ignore[method-assign]
        with pytest.raises(TaskFailed, match="gives no sign of life"):
            Command(**fields, private_key=key, keepalive="1s", command="echo $PPID; sleep 60").run(ctx)


def test_a_flow_runs_commands_with_secrets_and_shows_none(run_flow: RunFlow, host: Fields, ssh_fleet: SshFleet) -> None:
    run = run_flow(
        f"""
        id: hosts
        namespace: test
        defaults:
          ssh.*:
            user: {ssh_fleet.user}
            private_key: "{{{{ secret('ssh#key') }}}}"
            known_hosts: {ssh_fleet.known_hosts}
        tasks:
          - id: all
            type: fleet
            targets: {[{"name": one.name, "port": one.port} for one in ssh_fleet.hosts]}
            key: "{{{{ target.name }}}}"
            tasks:
              - id: name
                type: ssh.command
                host: 127.0.0.1
                port: "{{{{ target.port }}}}"
                env: {{TOKEN: "{{{{ secret('ssh#token') }}}}"}}
                command: echo $HOSTNAME; echo $TOKEN
            collect: {{name: outputs.name.stdout}}
        outputs:
          names: "{{{{ outputs.all.rows | map(attribute='name') | list }}}}"
        """,
        secrets={"ssh#key": host["private_key"], "ssh#token": "a-very-secret-token"},
    )
    assert run.state == "success", run.log
    assert run.outputs["names"] == [f"{one.name}\n***\n" for one in ssh_fleet.hosts]
    assert "a-very-secret-token" not in run.log
