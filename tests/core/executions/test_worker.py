"""One attempt on a worker: rendered, validated, run, masked; and told to stop at every moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from rota import Context, Task, TaskFailed
from rota.executions.models import State
from rota.executions.prepare import Prepared
from rota.executions.worker import LONGEST_MESSAGE, Assignment, execute
from rota.flows.models import TaskStep
from tests.core.executions.views import MemoryHost, execution, frame


class Do(Task):
    """A task of a test: it does what `body` says."""

    text: str = ""
    hidden: SecretStr = SecretStr("")
    get: bool = True
    body: ClassVar[Callable[[Any, Context], Any]] = lambda task, _: task.text

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        return self.get

    def run(self, ctx: Context) -> Any:
        return type(self).body(self, ctx)


class OneType:
    """Plugins that know nothing but `Do`."""

    def task_type(self, name: str) -> type[Task]:
        return Do

    def plugin_version(self, name: str) -> str:
        return "1"


def assign(folder: Path, body: Callable[[Any, Context], Any] | None = None, **fields: Any) -> Assignment:
    changes = fields.pop("execution", {})
    Do.body = body or (lambda task, _: task.text)
    step = TaskStep.model_validate({"id": "a", "type": fields.pop("type", "test.do"), **fields})
    prepared = Prepared(step, OneType())  # type: ignore[arg-type]
    return Assignment(execution(folder, **changes), frame("", "a"), prepared, "a", 1)


def test_a_task_runs_and_its_output_is_text(tmp_path: Path) -> None:
    outcome = execute(assign(tmp_path, text="{{ 1 + 1 }}!"))
    assert (outcome.ended.state, outcome.output) == (State.SUCCESS, '"2!"')


def test_a_task_without_output_has_none(tmp_path: Path) -> None:
    assert execute(assign(tmp_path, lambda *_: None)).output is None


def test_when_skips_before_anything_is_rendered(tmp_path: Path) -> None:
    outcome = execute(assign(tmp_path, when="1 > 2", text="{{ missing.name }}"))
    assert (outcome.ended.state, outcome.output) == (State.SKIPPED, None)


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"text": "{{ missing.name }}"}, "template", "missing"),
        ({"text": [1]}, "TaskFailed", "`text`"),
        ({"other": 1}, "TaskFailed", "`other`"),
        ({"text": "x", "when": "'yes'"}, "template", "true or false"),
        ({"text": "x", "timeout": "{{ 'soon' }}"}, "template", "timeout"),
        ({"text": "{{ secret('db') }}"}, "SecretError", "no secret `db`"),
    ],
)
def test_what_cannot_be_had_fails_for_good(fields: dict[str, Any], kind: str, words: str, tmp_path: Path) -> None:
    ended = execute(assign(tmp_path, **fields)).ended
    assert (ended.state, ended.problem and ended.problem.type) == (State.FAILED, kind)
    assert ended.problem is not None
    assert words in ended.problem.message
    assert not ended.problem.retryable


def test_a_log_has_no_secrets_to_tell(tmp_path: Path) -> None:
    ended = execute(assign(tmp_path, type="log", text="{{ secret('db') }}")).ended
    assert ended.problem is not None
    assert "cannot be used in `log`" in ended.problem.message


def test_a_secret_goes_into_fields_of_both_kinds_and_nowhere_else(tmp_path: Path) -> None:
    host = MemoryHost(tmp_path)

    def body(task: Do, ctx: Context) -> Any:
        assert task.text == "Bearer hush-hush"
        assert task.hidden.get_secret_value() == "hush-hush"
        ctx.log.info("with hush-hush", header=task.text, n=1, raw={"a": ["hush-hush"]})
        ctx.output({"p": "hush-hush"})
        ctx.metric("m", 1, tag="hush-hush")
        raise TaskFailed(f"no: {task.text}", output={"o": "hush-hush"})

    outcome = execute(
        assign(
            tmp_path, body, text="Bearer {{ inputs.t }}", hidden="{{ inputs.t }}",
            execution={"inputs": {"t": SecretStr("hush-hush")}, "host": host},
        )
    )  # fmt: skip
    assert outcome.ended.problem is not None
    assert outcome.ended.problem.message == "no: ***"
    assert outcome.output == '{"o":"***"}'
    assert host.partials == ['{"p":"***"}']
    assert host.lines[0] == ("info", "with ***", {"header": "***", "n": 1, "raw": {"a": ["***"]}})
    assert host.metrics == [("m", 1.0, {"tag": "***"})]


def test_a_templated_timeout_is_told_in_time(tmp_path: Path) -> None:
    assignment = assign(tmp_path, lambda _, ctx: ctx.deadline is not None, timeout="{{ '1h' }}")
    told: list[float] = []
    assignment.set_deadline = told.append
    assert execute(assignment).output == "true"
    assert len(told) == 1


@pytest.mark.parametrize(
    ("reason", "state", "rerun"),
    [("cancel", State.CANCELLED, False), ("timeout", State.FAILED, False), ("shutdown", State.LOST, True)],
)
def test_a_stop_ends_it_as_its_reason_says(reason: str, state: State, rerun: bool, tmp_path: Path) -> None:
    began, assignments = threading.Event(), []

    def body(task: Do, ctx: Context) -> Any:
        ctx.output("half")
        began.set()
        assert ctx.cancelled.wait(10)
        raise RuntimeError("interrupted")

    assignments.append(assign(tmp_path, body))

    def stop() -> None:
        began.wait(10)
        assignments[0].stop(reason)
        assignments[0].stop("cancel")

    threading.Thread(target=stop).start()
    outcome = execute(assignments[0])
    assert (outcome.ended.state, outcome.ended.rerun, outcome.output) == (state, rerun, '"half"')


def test_idempotent_may_depend_on_the_fields(tmp_path: Path) -> None:
    for get in (True, False):
        assignment = assign(tmp_path, lambda *_: assignment.stop("shutdown"), get=get)  # noqa: B023
        assert execute(assignment).ended.rerun is get


def test_one_that_was_stopped_before_it_began_never_runs(tmp_path: Path) -> None:
    assignment = assign(tmp_path, lambda *_: pytest.fail("it ran"))
    assignment.stop("cancel")
    assert execute(assignment).ended.state is State.CANCELLED


def test_one_that_may_not_start_waits_until_it_is_stopped(tmp_path: Path) -> None:
    assignment = assign(tmp_path, lambda *_: pytest.fail("it ran"))

    def never() -> bool:
        assignment.stop("shutdown")
        return False

    assignment.may_start = never
    assert execute(assignment).ended.state is State.LOST


def test_a_callback_that_hangs_or_breaks_holds_nobody_up(tmp_path: Path) -> None:
    gate, called = threading.Event(), threading.Event()

    def body(task: Do, ctx: Context) -> None:
        def hang() -> None:
            called.set()
            gate.wait(10)

        def fail() -> None:
            raise ValueError("no")

        ctx.on_cancel(fail)
        ctx.on_cancel(hang)
        assignment.stop("cancel")
        assert called.wait(10)
        ctx.on_cancel(called.clear)
        assert not called.is_set(), "called at once, it is late"

    host = MemoryHost(tmp_path)
    assignment = assign(tmp_path, body, execution={"host": host})
    assert execute(assignment).ended.state is State.CANCELLED
    gate.set()
    assert ("warning", "while cancelling: ValueError: no", {}) in host.lines


def test_callbacks_do_not_pile_up_with_the_programs(tmp_path: Path) -> None:
    seen: list[int] = []

    def body(task: Do, ctx: Any) -> None:
        for _ in range(5):
            ctx.register_cancel(lambda: None)()
        seen.append(len(ctx._stops))

    execute(assign(tmp_path, body))
    assert seen == [0]


def test_a_long_error_is_bounded_and_its_traceback_logged(tmp_path: Path) -> None:
    host = MemoryHost(tmp_path)

    def body(task: Do, ctx: Context) -> None:
        raise RuntimeError("y" * 100_000)

    ended = execute(assign(tmp_path, body, execution={"host": host})).ended
    assert ended.problem is not None
    assert len(ended.problem.message) < LONGEST_MESSAGE + 10
    assert host.lines[0][1].startswith("Traceback")
    assert max(len(line) for _, line, _ in host.lines) < 70_000


def test_a_long_output_is_an_artifact(tmp_path: Path) -> None:
    outcome = execute(assign(tmp_path, lambda *_: "x" * 300_000))
    assert json.loads(outcome.output or "")["$output"]["size"] == 300_002


def test_the_work_folder_has_the_files_and_is_gone_afterwards(tmp_path: Path) -> None:
    folders: list[Path] = []

    def body(task: Do, ctx: Context) -> list[str]:
        folders.append(ctx.workdir)
        (ctx.workdir / "mine").write_text("x")
        return sorted(str(path.relative_to(ctx.workdir)) for path in ctx.workdir.rglob("*"))

    outcome = execute(assign(tmp_path, body, execution={"files": {"sub/a.sh": b"#!/bin/sh\n", "b.txt": b"b"}}))
    assert json.loads(outcome.output or "") == ["b.txt", "mine", "sub", "sub/a.sh"]
    assert not folders[0].exists()
    assert not folders[0].parent.exists()
