"""What happens on a worker: render, validate, run, mask, and tell how it ended. All that an executor needs."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rota.errors import ExpressionError, RotaError, SecretError, TaskFailed
from rota.executions.models import Ended, NodeState, Problem, State
from rota.executions.names import error_names, names_for
from rota.executions.prepare import Prepared
from rota.executions.run_context import RunContext
from rota.executions.values import NotJson, dump, map_text, plain
from rota.executions.view import ExecutionView, FrameView

INLINE_OUTPUT = 256 * 1024
"""The longest output, in characters of JSON, that is stored with its task run; a longer one is an artifact."""


@dataclass(slots=True, eq=False)
class Assignment:
    """One attempt of a task, given to a worker."""

    execution: ExecutionView
    frame: FrameView
    prepared: Prepared
    node: str
    attempt: int
    deadline: datetime | None = None
    failed_scope: NodeState | None = None
    """The scope whose `errors` the task belongs to."""
    may_start: Callable[[], bool] = lambda: True
    """Asked right before the task starts: false once the driver may no longer run anything."""
    stop_reason: str | None = None
    ctx: RunContext | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self, reason: str) -> None:
        """Ask the attempt to end, whether it has begun or not. Called from any thread."""
        with self.lock:
            self.stop_reason = self.stop_reason or reason
            ctx = self.ctx
        if ctx is not None:
            ctx.stop(reason)

    def begin(self) -> RunContext:
        """Make the context on the worker's own thread."""
        ctx = RunContext(self.execution, self.frame, self.node, self.attempt, self.deadline)
        with self.lock:
            self.ctx = ctx
            reason = self.stop_reason
        if reason is not None:
            ctx.stop(reason)
        return ctx


@dataclass(slots=True)
class Outcome:
    """How an attempt ended: the event for the interpreter, and the output as JSON text."""

    ended: Ended
    output: str | None = None


def execute(assignment: Assignment) -> Outcome:
    """Run one attempt to its end. It never raises: whatever goes wrong is the outcome's problem."""
    ctx = assignment.begin()
    try:
        return _run(assignment, ctx)
    except BaseException as error:
        return _failure(assignment, ctx, error)
    finally:
        ctx.end()


def _run(assignment: Assignment, ctx: RunContext) -> Outcome:
    prepared, node, attempt = assignment.prepared, assignment.node, assignment.attempt
    task = prepared.instance
    if task is None or prepared.when is not None:
        names = _names(assignment, ctx)
        if prepared.when is not None and not prepared.when.condition(names):
            return Outcome(Ended(node, attempt, State.SKIPPED))
        task = prepared.render(names)
    if not assignment.may_start():
        raise TaskFailed("the server may not start anything any more")
    if ctx.stop_reason is not None:
        return _stopped(assignment, ctx, None)
    result = task.run(ctx)
    text = None if result is None else _output_text(assignment.execution, result)
    if ctx.stop_reason is not None:
        return _stopped(assignment, ctx, text)
    return _with_output(assignment, Ended(node, attempt, State.SUCCESS), text)


def _names(assignment: Assignment, ctx: RunContext) -> dict[str, Any]:
    def secret(name: str, *, fresh: bool = False) -> Any:
        return assignment.execution.secrets.get(name, ctx, fresh=fresh)

    return names_for(
        assignment.execution,
        assignment.frame,
        secret,
        task={"id": assignment.node, "type": assignment.prepared.step.type, "attempt": assignment.attempt},
        error=error_names(assignment.failed_scope),
    )


def _output_text(execution: ExecutionView, result: Any) -> str:
    mask = execution.masker
    if mask:
        result = map_text(plain(result), mask)
    try:
        return dump(result, execution.host.seal)
    except NotJson as error:
        raise TaskFailed(f"the task returned something that cannot be stored: {error}", retryable=False) from None


def _with_output(assignment: Assignment, ended: Ended, text: str | None) -> Outcome:
    if text is None or len(text) <= INLINE_OUTPUT:
        return Outcome(ended, text)
    artifacts = assignment.execution.host.artifacts(assignment.execution.id, assignment.frame.path, assignment.node)
    with artifacts.writer("output.json") as writer:
        writer.write(text.encode("utf-8"))
    stored = {"uri": writer.artifact.uri, "size": writer.artifact.size}
    return Outcome(ended, json.dumps({"$output": stored}, separators=(",", ":")))


def _stopped(assignment: Assignment, ctx: RunContext, text: str | None) -> Outcome:
    """A task that was told to stop did: what it returned all the same is its partial output."""
    if ctx.stop_reason == "timeout":
        state, kind, message = State.FAILED, "timeout", "it ran longer than its `timeout`"
    elif ctx.stop_reason == "shutdown":
        state, kind, message = State.LOST, "shutdown", "the server was stopped while it ran"
    else:
        state, kind, message = State.CANCELLED, "cancel", "it was cancelled"
    problem = Problem(kind, message, ctx.task_run_id, key_of(assignment.frame), assignment.attempt)
    rerun = state is State.LOST and bool(assignment.prepared.known_idempotent)
    ended = Ended(assignment.node, assignment.attempt, state, problem, rerun)
    return _with_output(assignment, ended, text if text is not None else ctx.partial)


def _failure(assignment: Assignment, ctx: RunContext, error: BaseException) -> Outcome:
    if ctx.stop_reason is not None:
        return _stopped(assignment, ctx, ctx.partial)
    problem = problem_of(error, ctx.task_run_id, key_of(assignment.frame), assignment.attempt, assignment.execution)
    if isinstance(error, RotaError):
        ctx.log.error(problem.message)
    else:
        for line in "".join(traceback.format_exception(error)).rstrip().splitlines():
            ctx.log.error(line)
    text = ctx.partial
    if isinstance(error, TaskFailed) and error.output is not None:
        try:
            text = _output_text(assignment.execution, error.output)
        except TaskFailed as worse:
            ctx.log.warning(worse.message)
    return _with_output(assignment, Ended(assignment.node, assignment.attempt, State.FAILED, problem), text)


def problem_of(error: BaseException, task: str, target: str, attempt: int, execution: ExecutionView) -> Problem:
    """Return what is kept of an error: its kind, its message (masked, bounded), whether a retry may help."""
    retryable = True
    kind = type(error).__name__
    if isinstance(error, TaskFailed):
        retryable = error.retryable is not False
    elif isinstance(error, ExpressionError):
        kind, retryable = "template", False
    elif isinstance(error, SecretError):
        retryable = error.retryable
    message = str(error) or kind
    if len(message) > 4000:
        message = message[:4000] + " …"
    return Problem(kind, execution.masker(message), task, target, attempt, retryable)


def key_of(frame: FrameView) -> str:
    """Return the key of the nearest iteration, or ""."""
    return frame.key or ""
