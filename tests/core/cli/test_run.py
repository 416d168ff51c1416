"""`rota run`: files and deployed flows, inputs, what is shown, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.core.cli.calls import HELLO, PROGRAM, SLOW, WAITING, Rota, wait_for


def test_a_file_runs_and_its_log_and_outputs_are_shown(rota: Rota) -> None:
    result = rota.ok("run", "hello.yaml")
    assert "greet | hello, world" in result.out
    assert "greet: success in" in result.out
    assert "team/hello success in" in result.out
    assert "greeting: hello, world" in result.out
    assert "rota executions logs " in result.out
    assert "restart" not in result.out


def test_inputs_come_from_the_command_line_and_from_files(rota: Rota) -> None:
    assert "hello, Ada" in rota.ok("run", "hello.yaml", "-i", "name=Ada").out
    rota.write("name.txt", "Grace\n")
    assert "hello, Grace" in rota.ok("run", "hello.yaml", "-i", "name=@name.txt").out
    assert "hello, @home" in rota.ok("run", "hello.yaml", "--input", "name=@@home").out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nobody=x", "input `nobody`: the flow has no such input"),
        ("name", "an input is given as `name=value`"),
        ("name=@nowhere.txt", "nowhere.txt"),
    ],
)
def test_wrong_inputs_are_wrong_use_and_start_nothing(rota: Rota, given: str, message: str) -> None:
    result = rota("run", "hello.yaml", "-i", given)
    assert result.code == 2
    assert message in result.err
    assert rota.ok("executions", "list", "--json").json["executions"] == []


def test_a_missing_input_fails_clearly_where_nobody_can_be_asked(rota: Rota) -> None:
    rota.write("needs.yaml", HELLO.replace(", default: world", ", description: who is greeted"))
    result = rota.program("run", "needs.yaml")
    assert result.returncode == 2
    assert "input `name`: is missing; it is a `string`, who is greeted" in result.stderr


def test_a_failure_names_what_failed_and_how_to_go_on(rota: Rota) -> None:
    execution = rota.run_failing()
    result = rota("executions", "restart", execution)
    assert result.code == 1
    assert "each[two]/probe: the program ended with exit code 4: two is broken" in result.out
    assert f"restart: rota executions restart {execution[:16]}" in result.out


def test_a_warning_is_a_success_unless_it_is_strict(rota: Rota) -> None:
    rota.write("warn.yaml", "id: warn\ntasks:\n  - {id: bad, type: fail, message: oh, allow_failure: true}\n")
    assert rota("run", "warn.yaml").code == 0
    assert rota("run", "warn.yaml", "--strict").code == 3


def test_json_is_all_that_stdout_gets(rota: Rota) -> None:
    found = rota.ok("run", "hello.yaml", "--json", "--label", "team=blue").json
    assert found["state"] == "success"
    assert found["outputs"] == {"greeting": "hello, world"}
    assert found["inputs"] == {"name": "world"}
    assert found["labels"] == {"team": "blue"}
    assert found["started_at"].endswith("+00:00")


def test_quiet_says_nothing_of_a_success_and_sums_up_a_failure(rota: Rota) -> None:
    assert rota.ok("run", "hello.yaml", "-q").out == ""
    rota.write("bad.yaml", "id: bad\ntasks:\n  - {id: stop, type: fail, message: no good}\n")
    result = rota("run", "bad.yaml", "--quiet")
    assert result.code == 1
    assert "stop: no good" in result.out
    assert "stop: failed" not in result.out


def test_a_flow_that_does_not_check_runs_nothing_and_shows_the_place(rota: Rota) -> None:
    rota.write("wrong.yaml", 'id: wrong\ntasks:\n  - {id: say, type: log, message: "{{ outputs.nobody }}"}\n')
    result = rota("run", "wrong.yaml")
    assert result.code == 2
    assert "wrong.yaml:3:" in result.err
    assert "outputs.nobody" in result.err
    assert not (rota.path / ".rota/rota.db").exists()


def test_a_file_that_is_not_there_is_wrong_use(rota: Rota) -> None:
    assert "there is no flow file `nowhere.yaml`" in rota("run", "nowhere.yaml").err
    assert "a deployed flow is named NAMESPACE/ID" in rota("run", "nowhere").err


def test_the_namespace_can_be_replaced(rota: Rota) -> None:
    assert rota.ok("run", "hello.yaml", "--namespace", "other.team", "--json").json["namespace"] == "other.team"


def test_secrets_are_shown_as_stars(rota: Rota) -> None:
    rota.ok("init")
    rota.write(
        "hidden.yaml",
        "id: hidden\ninputs:\n  - {id: password, type: secret}\n"
        "tasks:\n  - {id: use, type: shell, command: 'echo word=$WORD', env: {WORD: '{{ inputs.password }}'}}\n",
    )
    result = rota.ok("run", "hidden.yaml", "-i", "password=correct-horse", "--json")
    assert result.json["inputs"] == {"password": "***"}
    execution = result.json["id"]
    shown = rota.ok("executions", "logs", execution).out + rota.ok("executions", "show", execution).out
    assert "word=***" in shown
    assert "correct-horse" not in shown + rota.ok("executions", "show", execution, "--json").out


def test_a_deployed_flow_runs_here_when_no_server_is_alive_and_says_so(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    result = rota.ok("run", "team/hello", "-i", "name=Ada")
    assert "hello, Ada" in result.out
    assert result.err == "no server is alive: it runs here\n"


def test_a_deployed_flow_that_is_not_there_is_wrong_use(rota: Rota) -> None:
    result = rota("run", "team/nothing")
    assert result.code == 2
    assert "there is no flow `team/nothing`" in result.err


def test_a_deployed_flow_has_its_namespace(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    assert rota("run", "team/hello", "--namespace", "other").code == 2


def test_detached_a_deployed_flow_waits_for_a_server(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    result = rota.ok("run", "team/hello", "--detach")
    assert "it starts when `rota serve` does" in result.err
    assert rota.ok("executions", "show", result.out.strip(), "--json").json["state"] == "created"


def test_detached_a_file_runs_in_the_background(rota: Rota) -> None:
    rota.write("waiting.yaml", WAITING)
    run = rota.program("run", "waiting.yaml", "--detach")
    assert run.returncode == 0, run.stderr
    execution = run.stdout.strip()
    rota.ok("executions", "cancel", execution, "--wait")
    assert rota.ok("executions", "show", execution, "--json").json["state"] == "cancelled"


def test_detached_what_cannot_start_is_told(rota: Rota) -> None:
    rota.write("needs.yaml", HELLO.replace(", default: world", ""))
    run = rota.program("run", "needs.yaml", "--detach")
    assert run.returncode == 2
    assert "input `name`: is missing" in run.stderr


def test_inputs_of_a_detached_run_do_not_show_in_the_process_list(rota: Rota) -> None:
    rota.write("waiting.yaml", WAITING.replace("tasks:", "inputs:\n  - {id: word, type: string}\ntasks:", 1))
    run = rota.program("run", "waiting.yaml", "--detach", "-i", "word=abracadabra")
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert any(b"--background" in command and b"waiting.yaml" in command for command in commands)
    assert not any(b"abracadabra" in command and b"rota" in command for command in commands)
    rota.ok("executions", "cancel", run.stdout.strip(), "--wait")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_cancelled_cleanly(rota: Rota, number: signal.Signals) -> None:
    rota.write("slow.yaml", SLOW)
    with rota.begin("run", "slow.yaml") as process:
        wait_for(process, "nap: running")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "cancelling; once more leaves at once" in err
    assert "bye | goodbye" in out
    assert "team/slow cancelled in" in out
    assert [row["state"] for row in rota.ok("executions", "list", "--json").json["executions"]] == ["cancelled"]


def test_an_interrupt_before_anybody_follows_cancels_cleanly_too(rota: Rota, monkeypatch: pytest.MonkeyPatch) -> None:
    from rota.server.executions import Executions

    rota.write("slow.yaml", SLOW)
    watch = Executions.watch

    def interrupted(self: Executions, *arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return watch(self, *arguments, **options)

    monkeypatch.setattr(Executions, "watch", interrupted)
    assert rota("run", "slow.yaml").code == 130
    assert [row["state"] for row in rota.ok("executions", "list", "--json").json["executions"]] == ["cancelled"]


def test_a_second_interrupt_leaves_at_once_and_the_next_process_says_how_to_go_on(rota: Rota) -> None:
    deaf = SLOW.replace(
        "command: sleep 300", "command: [sh, -c, 'trap \"\" TERM; echo deaf; while :; do sleep 1; done']"
    )
    rota.write("slow.yaml", deaf)
    with rota.begin("run", "slow.yaml") as process:
        wait_for(process, "nap | deaf")
        process.send_signal(signal.SIGINT)
        wait_for(process, "nap: cancelling")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "left at once" in err
    rota.ok("run", "hello.yaml")
    states = {row["flow"]: row["state"] for row in rota.ok("executions", "list", "--json").json["executions"]}
    assert states == {"hello": "success", "slow": "failed"}


def test_a_run_goes_on_when_nobody_reads_its_lines_any_more(rota: Rota) -> None:
    rota.write(
        "chatty.yaml",
        "id: chatty\ntasks:\n  - {id: first, type: shell, command: 'while ! test -e gone; do sleep 0.05; done'}\n"
        "  - {id: last, type: log, message: last}\n".replace("gone", str(rota.path / "gone")),
    )
    process = subprocess.Popen([*PROGRAM, "run", "chatty.yaml"], cwd=rota.path, stdout=subprocess.PIPE, text=True)
    wait_for(process, "first: running")
    assert process.stdout is not None
    process.stdout.close()
    rota.write("gone", "")
    assert process.wait(timeout=60) == 0


def test_escape_sequences_of_programs_do_not_reach_the_terminal(rota: Rota) -> None:
    rota.write(
        "rude.yaml", "id: rude\ntasks:\n  - {id: say, type: shell, command: \"printf '\\\\033[2Jboo\\\\007\\\\n'\"}\n"
    )
    result = rota.ok("run", "rude.yaml")
    assert "say | boo" in result.out
    assert "\x1b" not in result.out
    assert json.loads(rota.ok("executions", "logs", "--json", _newest(rota)).out.splitlines()[0])["message"]


def _newest(rota: Rota) -> str:
    return str(rota.ok("executions", "list", "--json").json["executions"][0]["id"])
