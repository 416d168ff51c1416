"""`rota executions`: list, show, logs, cancel, restart, replay, resume, limits."""

from __future__ import annotations

import json

import pytest

from tests.core.cli.calls import SLOW, WAITING, Rota, wait_for


def begun(rota: Rota, source: str, name: str) -> str:
    """Start a flow in the background and return the execution's id."""
    run = rota.program("run", rota.write(f"{name}.yaml", source), "--detach")
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def ids(rota: Rota, *filters: str) -> list[str]:
    return [row["id"] for row in rota.ok("executions", "list", "--json", *filters).json["executions"]]


def test_a_list_is_newest_first_and_paged(rota: Rota) -> None:
    made = [rota.ok("run", "hello.yaml", "--json").json["id"] for _ in range(3)]
    first = rota.ok("executions", "list", "--limit", "2", "--json").json
    assert [row["id"] for row in first["executions"]] == made[:0:-1]
    assert first["next"] == made[1]
    rest = rota.ok("executions", "list", "--limit", "2", "--before", first["next"], "--json").json
    assert [row["id"] for row in rest["executions"]] == made[:1]
    assert rest["next"] is None
    assert f"--before {made[1][:16]}" in rota.ok("executions", "list", "--limit", "2").err


def test_latest_is_the_one_that_the_caller_started_last(rota: Rota, monkeypatch: pytest.MonkeyPatch) -> None:
    none = rota("executions", "show", "latest")
    assert none.code == 2
    assert "has started no execution" in none.err
    mine = rota.ok("run", "hello.yaml", "--json").json["id"]
    with monkeypatch.context() as other:
        other.setattr("getpass.getuser", lambda: "somebody-else")
        theirs = rota.ok("run", "hello.yaml", "--json").json["id"]
        assert rota.ok("executions", "show", "latest", "--json").json["id"] == theirs
    assert rota.ok("executions", "show", "latest", "--json").json["id"] == mine
    assert rota.ok("executions", "logs", "latest", "--json").out == rota.ok("executions", "logs", mine, "--json").out
    assert mine[:16] in rota("executions", "cancel", "latest").err


def test_latest_is_no_subflow(rota: Rota) -> None:
    rota.write("child.yaml", "id: child\nnamespace: team\ntasks:\n  - {id: say, type: log, message: hi}\n")
    rota.ok("flows", "deploy", "child.yaml")
    outer = "id: outer\nnamespace: team\ntasks:\n  - {id: call, type: subflow, flow: child}\n"
    ran = rota.ok("run", rota.write("outer.yaml", outer), "--json").json["id"]
    assert len(ids(rota)) == 2
    assert rota.ok("executions", "show", "latest", "--json").json["id"] == ran


def test_a_list_can_be_filtered(rota: Rota) -> None:
    failed = rota.run_failing()
    good = rota.ok("run", "hello.yaml", "--namespace", "other", "--label", "team=blue", "--json").json["id"]
    assert ids(rota, "--state", "failed") == [failed]
    assert ids(rota, "--flow", "other/hello") == ids(rota, "--flow", "hello") == ids(rota, "--namespace", "other")
    assert ids(rota, "--label", "team=blue") == [good]
    assert ids(rota, "--since", "1h", "--until", "2999-01-01") == [good, failed]
    assert ids(rota, "--until", "1h") == []


@pytest.mark.parametrize(
    "filters", [("--state", "odd"), ("--label", "x"), ("--since", "soon"), ("--flow", "a/"), ("--before", "0")]
)
def test_a_wrong_filter_is_wrong_use(rota: Rota, filters: tuple[str, str]) -> None:
    assert rota("executions", "list", *filters).code == 2


def test_a_list_without_a_terminal_is_plain_columns(rota: Rota) -> None:
    execution = rota.run_failing()
    head, row = rota.ok("executions", "list").out.splitlines()
    assert head.split() == ["ID", "FLOW", "STATE", "STARTED", "DURATION", "PROBLEM"]
    assert row.split()[:3] == [execution[:16], "team/fragile", "failed"]


def test_a_listed_execution_has_stable_keys(rota: Rota) -> None:
    rota.ok("run", "hello.yaml")
    [row] = rota.ok("executions", "list", "--json").json["executions"]
    assert " ".join(row) == (
        "id namespace flow state run problem labels trigger author parent created_at started_at ended_at duration"
    )


def test_show_is_a_tree_with_counts_and_what_failed(rota: Rota) -> None:
    out = rota.ok("executions", "show", rota.run_failing()).out
    assert "team/fragile  failed  a draft, run 1" in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "3 in all: 1 failed, 2 success" in lines
    assert any(line.startswith("each[two] failed the program ended with exit code 4") for line in lines)
    assert any(line.startswith("bye (finally) success") for line in lines)
    tree = [line for line in out.splitlines() if line.split()[:1] in (["begin"], ["each"], ["verdict"], ["bye"])]
    assert [line.split()[0] for line in tree] == ["begin", "each", "verdict", "bye"]


def test_show_looks_into_one_iteration(rota: Rota) -> None:
    execution = rota.run_failing()
    assert rota.ok("executions", "show", execution, "--path", "each[two]").out.startswith("probe  failed")
    assert rota("executions", "show", execution, "--path", "each[four]").code == 2


def test_show_as_json_has_stable_keys(rota: Rota) -> None:
    found = rota.ok("executions", "show", rota.run_failing(), "--json").json
    assert [key for key in found if key not in rota.ok("executions", "list", "--json").json["executions"][0]] == [
        "inputs",
        "outputs",
        "revision",
        "path",
        "task_runs",
        "attempts",
        "scopes",
    ]
    assert found["scopes"]["each"]["counts"] == {"failed": 1, "success": 2}
    assert [one["key"] for one in found["scopes"]["each"]["failed"]] == ["two"]
    assert {run["task_run"]: run["state"] for run in found["task_runs"]}["verdict"] == "failed"


def test_show_prints_the_output_of_a_task_run(rota: Rota) -> None:
    execution = rota.run_failing()
    found = rota.ok("executions", "show", execution, "--output", "each[one]/probe").json
    assert found["exit_code"] == 0
    assert rota("executions", "show", execution, "--output", "nothing").code == 2


def test_an_id_may_be_shortened(rota: Rota) -> None:
    execution = rota.ok("run", "hello.yaml", "--json").json["id"]
    assert rota.ok("executions", "show", execution[:16], "--json").json["id"] == execution


def test_logs_are_those_of_a_task_a_task_run_or_an_iteration(rota: Rota) -> None:
    execution = rota.run_failing()

    def logs(*options: str) -> list[tuple[str, str]]:
        lines = rota.ok("executions", "logs", execution, "--json", *options).out.splitlines()
        return [(line["task_run"], line["message"]) for line in map(json.loads, lines)]

    assert logs("--task", "begin") == [("begin", "begin")]
    for task in ("probe", "each[two]/probe", "each[two]"):
        assert logs("--task", task)[0] == ("each[two]/probe", "two is broken")
    assert {name for name, _ in logs("--level", "error")} == {"each[two]/probe", "verdict"}
    assert logs("-n", "1") == logs()[-1:] == [("bye", "bye")]
    assert logs("-n", "0") == []


def test_logs_for_people_have_time_task_and_level(rota: Rota) -> None:
    out = rota.ok("executions", "logs", rota.run_failing(), "--task", "probe", "--level", "error").out
    assert "each[two]/probe | error: the program ended with exit code 4" in out


def test_logs_are_followed_to_the_end(rota: Rota) -> None:
    execution = begun(rota, WAITING, "waiting")
    with rota.begin("executions", "logs", "-f", execution) as process:
        rota.ok("executions", "resume", execution, "-i", "reason=tests")
        lines = wait_for(process, "told | because tests")
        assert process.wait(timeout=60) == 0
    assert len(lines) == 1


def test_cancel_ends_what_runs_elsewhere(rota: Rota) -> None:
    execution = begun(rota, SLOW, "slow")
    result = rota.ok("executions", "cancel", execution, "--wait")
    assert result.out == f"asked {execution[:16]} to end\n{execution[:16]} cancelled\n"
    assert "goodbye" in rota.ok("executions", "logs", execution).out


def test_what_has_ended_cannot_be_cancelled(rota: Rota) -> None:
    execution = rota.ok("run", "hello.yaml", "--json").json["id"]
    result = rota("executions", "cancel", execution)
    assert result.code == 1
    assert "has ended already: success" in result.err


def test_restart_says_first_what_runs_and_then_runs_only_that(rota: Rota) -> None:
    execution = rota.run_failing()
    rota.write("repaired", "")
    result = rota.ok("executions", "restart", execution)
    plan, _, shown = result.out.partition("each: running")
    assert plan.splitlines()[:3] == ["runs:", "  each[two]/probe", "  verdict"]
    assert "each[two]: success" in shown
    assert "each[one]" not in shown
    assert "begin" not in shown
    assert "team/fragile success" in shown


def test_a_dry_run_changes_nothing(rota: Rota) -> None:
    execution = rota.run_failing()
    plan = rota.ok("executions", "restart", execution, "--dry-run", "--json").json
    assert plan["runs"] == ["each[two]/probe", "verdict"]
    assert rota.ok("executions", "show", execution, "--json").json["run"] == 1


def test_a_restart_that_fails_again_exits_with_1(rota: Rota) -> None:
    assert rota("executions", "restart", rota.run_failing()).code == 1


def test_a_restart_of_a_success_is_refused(rota: Rota) -> None:
    result = rota("executions", "restart", rota.ok("run", "hello.yaml", "--json").json["id"])
    assert result.code == 1
    assert "nothing to go on with" in result.err


def test_a_restart_takes_only_targets_that_there_are(rota: Rota) -> None:
    result = rota("executions", "restart", rota.run_failing(), "--targets", "two,nine")
    assert result.code == 2
    assert "there is no target `nine`" in result.err


def test_replay_is_a_new_execution_with_the_same_inputs(rota: Rota) -> None:
    first = rota.ok("run", "hello.yaml", "-i", "name=Ada", "--json").json
    second = rota.ok("executions", "replay", first["id"], "--json").json
    assert second["id"] != first["id"]
    assert second["inputs"] == {"name": "Ada"}


def test_resume_answers_what_waits(rota: Rota) -> None:
    execution = begun(rota, WAITING, "waiting")
    result = rota.program("executions", "resume", execution)
    assert result.returncode == 2
    assert "input `reason`: is missing" in result.stderr
    assert rota.ok("executions", "resume", execution, "-i", "reason=tests").out == f"resumed {execution[:16]}\n"
    rota.ok("executions", "logs", "-f", execution)
    assert rota.ok("executions", "show", execution, "--json").json["state"] == "success"


def test_reject_says_no(rota: Rota) -> None:
    execution = begun(rota, WAITING, "waiting")
    assert rota.ok("executions", "resume", execution, "--reject").out == f"rejected {execution[:16]}\n"
    rota.ok("executions", "logs", "-f", execution)
    assert rota.ok("executions", "show", execution, "--json").json["state"] == "failed"


def test_nothing_to_resume_is_a_conflict(rota: Rota) -> None:
    execution = rota.ok("run", "hello.yaml", "--json").json["id"]
    result = rota("executions", "resume", execution)
    assert result.code == 1
    assert "waits for a person" in result.err


def test_a_run_that_waits_says_how_to_go_on(rota: Rota) -> None:
    rota.write("waiting.yaml", WAITING)
    with rota.begin("run", "waiting.yaml") as process:
        wait_for(process, "ask: paused")
        execution = ids(rota)[0]
        rota.ok("executions", "resume", execution, "-i", "reason=tests")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"waiting for a person: rota executions resume {execution[:16]}" in err


def test_limits_need_a_limit(rota: Rota) -> None:
    result = rota("executions", "limits", "0123", "each")
    assert result.code == 2
    assert "no limit is given" in result.err
