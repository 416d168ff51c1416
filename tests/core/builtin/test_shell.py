"""Task type `shell`, with real programs."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from rota import Artifact, TaskFailed
from rota.builtin.programs import ProgramResult
from rota.builtin.shell import Shell
from rota.testing import RecordedContext


def failure(task: Shell, ctx: RecordedContext) -> TaskFailed:
    with pytest.raises(TaskFailed) as failed:
        task.run(ctx)
    return failed.value


def test_lines_go_to_the_log_and_into_the_output(ctx: RecordedContext) -> None:
    result = Shell(command="echo out; echo err >&2").run(ctx)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\n", "err\n")
    assert {(line.level, line.message) for line in ctx.log.lines} == {("info", "out"), ("warning", "err")}


def test_the_text_of_a_command_is_no_argument_of_a_process(ctx: RecordedContext) -> None:
    result = Shell(command="tr '\\0' ' ' < /proc/$$/cmdline # hunter2").run(ctx)
    assert isinstance(result.stdout, str)
    assert "command.sh" in result.stdout
    assert "hunter2" not in result.stdout


def test_a_list_is_run_as_it_is_without_a_shell(ctx: RecordedContext) -> None:
    assert Shell(command=["printf", "%s|", "a b", "$HOME; ls", 7]).run(ctx).stdout == "a b|$HOME; ls|7|"


def test_the_first_failing_command_ends_it_unless_told_otherwise(ctx: RecordedContext) -> None:
    error = failure(Shell(command="echo one\nfalse\necho two"), ctx)
    assert isinstance(error.output, ProgramResult)
    assert error.output.stdout == "one\n"
    assert Shell(command="false\necho two", fail_fast=False).run(ctx).stdout == "two\n"


def test_another_shell_with_options_may_be_named(ctx: RecordedContext) -> None:
    error = failure(Shell(command="false | cat", shell="bash -o pipefail"), ctx)
    assert error.message == "the program ended with exit code 1"
    assert Shell(command="false | cat").run(ctx).exit_code == 0
    assert "cannot be read" in failure(Shell(command="x", shell="bash 'open"), ctx).message


def test_a_failure_names_the_exit_code_and_the_last_words_and_keeps_what_there_is(ctx: RecordedContext) -> None:
    error = failure(Shell(command='echo "n=3" > "$ROTA_OUTPUT"; echo first >&2; echo "no space" >&2; exit 7'), ctx)
    assert error.message == "the program ended with exit code 7: no space"
    assert error.retryable is None
    assert isinstance(error.output, ProgramResult)
    assert (error.output.exit_code, error.output.model_extra) == (7, {"n": "3"})


def test_a_signal_is_named(ctx: RecordedContext) -> None:
    assert failure(Shell(command="kill -KILL $$"), ctx).message == "the program was ended by SIGKILL"


def test_other_exit_codes_can_be_a_success(ctx: RecordedContext) -> None:
    assert Shell(command="exit 3", exit_codes=[0, 3]).run(ctx).exit_code == 3
    assert "exit code 0" in failure(Shell(command="exit 0", exit_codes=[3]), ctx).message


def test_the_environment_is_clean_and_has_what_was_given(ctx: RecordedContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    result = Shell(command="env", env={"NAME": "a b", "COUNT": 3, "ON": True}).run(ctx)
    assert isinstance(result.stdout, str)
    found = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert (found["NAME"], found["COUNT"], found["ON"]) == ("a b", "3", "true")
    assert "LEAKED" not in found


@pytest.mark.parametrize("name", ["", "A B", "1A", "A=B", "ROTA_OUTPUT"])
def test_a_wrong_name_of_a_variable_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Shell(command="true", env={name: "x"})


def test_input_is_json_in_a_file_secrets_and_all(ctx: RecordedContext) -> None:
    from pydantic import SecretStr

    task = Shell(command='cat "$ROTA_INPUT"; stat -c %a "$ROTA_INPUT" >&2', input={"a": [1, SecretStr("hunter2")]})
    result = task.run(ctx)
    assert isinstance(result.stdout, str)
    assert json.loads(result.stdout) == {"a": [1, "hunter2"]}
    assert result.stderr == "600\n"
    assert "hunter2" not in repr(task)


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("", {}),
        ("a=1\nb=x=y\n\nc=\n", {"a": "1", "b": "x=y", "c": ""}),
        ('{"a": 1, "b": {"c": [true, null]}}', {"a": 1, "b": {"c": [True, None]}}),
        ("[1, 2]", {"value": [1, 2]}),
        ('"text"', {"value": "text"}),
    ],
)
def test_what_is_written_to_the_output_file_stands_beside_the_tasks_own(
    written: str, values: dict[str, object], ctx: RecordedContext
) -> None:
    result = Shell(command='cp given "$ROTA_OUTPUT"').run(given(ctx, written))
    assert result.model_extra == values


def given(ctx: RecordedContext, text: str) -> RecordedContext:
    (ctx.workdir / "given").write_text(text)
    return ctx


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "neither JSON nor lines of `key=value`"),
        ("hello", "neither JSON nor lines"),
        ("a=1\nhello\n", "line 2 of what was written to `ROTA_OUTPUT` is not `key=value`"),
        ("exit_code=3", "`exit_code` in `ROTA_OUTPUT` is a name of the task's own output"),
        ("[NaN]", "NaN is not JSON"),
        ("[" * 100_000, "neither JSON nor lines"),
    ],
)
def test_an_output_file_that_cannot_be_read_fails_for_good(written: str, said: str, ctx: RecordedContext) -> None:
    error = failure(Shell(command='cp given "$ROTA_OUTPUT"'), given(ctx, written))
    assert said in error.message
    assert error.retryable is False


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ('head -c 17000000 /dev/zero > "$ROTA_OUTPUT"', "more than 16 MiB"),
        ("printf '\\377' > \"$ROTA_OUTPUT\"", "is not UTF-8"),
        ('rm "$ROTA_OUTPUT"; ln -s /etc/passwd "$ROTA_OUTPUT"', "is no file any more"),
        ('rm "$ROTA_OUTPUT"', "is no file any more"),
    ],
)
def test_a_hostile_output_file_is_refused(command: str, said: str, ctx: RecordedContext) -> None:
    assert said in failure(Shell(command=command), ctx).message


def test_artifacts_are_stored_one_for_a_path_and_a_list_for_a_glob(ctx: RecordedContext) -> None:
    result = Shell(
        command="mkdir out; echo 1 > out/a.txt; echo 2 > out/b.txt; echo r > report.md",
        artifacts={"report": "report.md", "parts": "out/*.txt", "all": "**/*", "none": "*.zip"},
    ).run(ctx)
    report, parts = result.artifacts["report"], result.artifacts["parts"]
    assert isinstance(report, Artifact)
    assert ctx.artifacts.read(report) == b"r\n"
    assert isinstance(parts, list)
    assert [ctx.artifacts.read(part) for part in parts] == [b"1\n", b"2\n"]
    everything = result.artifacts["all"]
    assert isinstance(everything, list)
    assert [one.name for one in everything] == ["out/a.txt", "out/b.txt", "report.md"]
    assert result.artifacts["none"] == []


def test_a_file_that_is_to_be_an_artifact_must_be_there(ctx: RecordedContext) -> None:
    assert (
        failure(Shell(command="true", artifacts={"report": "report.md"}), ctx).message
        == "there is no file `report.md` for the artifact `report`"
    )


TRAPS = "ln -s /etc/passwd link; mkdir folder; ln -s /etc folder/etc"


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "link", "/etc/*", "../*", "folder/../../*"])
def test_an_artifact_outside_of_the_work_folder_is_refused(pattern: str, ctx: RecordedContext) -> None:
    assert "leads out of the work folder" in failure(Shell(command=TRAPS, artifacts={"x": pattern}), ctx).message


@pytest.mark.parametrize("pattern", ["folder/*/passwd", "*k", "**/passwd"])
def test_a_glob_does_not_follow_links_out_of_the_work_folder(pattern: str, ctx: RecordedContext) -> None:
    assert Shell(command=TRAPS, artifacts={"x": pattern}).run(ctx).artifacts["x"] == []


def test_artifacts_of_a_failed_command_are_kept(ctx: RecordedContext) -> None:
    error = failure(Shell(command="echo why > trace.log; exit 1", artifacts={"trace": "trace.log"}), ctx)
    assert isinstance(error.output, ProgramResult)
    trace = error.output.artifacts["trace"]
    assert isinstance(trace, Artifact)
    assert ctx.artifacts.read(trace) == b"why\n"


def test_standard_output_can_be_an_artifact(ctx: RecordedContext) -> None:
    result = Shell(command="seq 200000", stdout="artifact").run(ctx)
    assert isinstance(result.stdout, Artifact)
    assert result.stdout.size == len(ctx.artifacts.read(result.stdout)) == 1_288_895
    assert ctx.log.lines == []


def test_no_artifact_is_left_of_the_standard_output_of_a_failed_command(ctx: RecordedContext) -> None:
    error = failure(Shell(command="echo part; exit 1", stdout="artifact"), ctx)
    assert isinstance(error.output, ProgramResult)
    assert error.output.stdout == ""
    assert list((ctx.workdir.parent / "artifacts").iterdir()) == []


def test_artifacts_of_other_tasks_are_put_into_the_work_folder(ctx: RecordedContext, tmp_path: Path) -> None:
    source = tmp_path / "dump"
    source.write_bytes(b"data")
    dump = ctx.artifacts.save(source)
    result = Shell(command="cat in/dump copy", files={"in/dump": dump, "copy": dump.uri}).run(ctx)
    assert result.stdout == "datadata"
    assert "leads out" in failure(Shell(command="true", files={"../x": dump}), ctx).message
    assert "is a folder" in failure(Shell(command="true", files={".": dump}), ctx).message


def test_a_cancelled_command_ends_and_leaves_what_it_had(ctx: RecordedContext) -> None:
    started = threading.Event()
    ctx.log.info = lambda *_, **__: started.set()  # type: ignore[method-assign]

    def cancel() -> None:
        started.wait()
        ctx.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    error = failure(Shell(command='echo "step=1" > "$ROTA_OUTPUT"; echo started; exec sleep 600'), ctx)
    canceller.join()
    assert "SIGTERM" in error.message
    assert [output.model_extra for output in ctx.outputs] == [{"step": "1"}]


def test_a_program_that_is_not_there_fails_for_good(ctx: RecordedContext) -> None:
    error = failure(Shell(command=["no-such-program"]), ctx)
    assert "no-such-program" in error.message
    assert error.retryable is False
