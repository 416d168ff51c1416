"""What happens on a worker: render, validate, run, mask, and tell how it ended. All that an executor needs."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rota.errors import ExpressionError, RotaError, SecretError, TaskFailed
from rota.executions.models import Ended, NodeState, Problem, State
from rota.executions.names import error_names, names_for, no_secret
from rota.executions.prepare import Prepared
from rota.executions.run_context import RunContext
from rota.executions.values import output_text
from rota.executions.view import ExecutionView, FrameView
from rota.flows.durations import parse_duration
from rota.flows.templates import is_secret

MAY_NOT_START = 0.05
"""Seconds between two questions whether a task may start by now."""
LONGEST_MESSAGE = 4000
"""The longest message of a problem, in characters."""
WITHOUT_SECRETS = frozenset({"log"})
"""Task types in whose fields there is no `secret()`."""


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
    set_deadline: Callable[[float], None] = lambda _: None
    """Told the time at which a templated `timeout` is over, in seconds since 1970."""
    idempotent: bool = False
    """Whether the task, as it was rendered, may be run again by itself after a loss."""
    begun: bool = False
    """Whether the task's own code has been called."""
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
    except BaseException as error:  # noqa: BLE001 - a task may raise anything, and its thread must live on
        return _failure(assignment, ctx, error)
    finally:
        ctx.end()


def _run(assignment: Assignment, ctx: RunContext) -> Outcome:
    prepared, node, attempt = assignment.prepared, assignment.node, assignment.attempt
    task = prepared.instance
    if task is None or prepared.when is not None or prepared.timeout is not None:
        names = _names(assignment, ctx)
        if prepared.when is not None and not prepared.when.condition(names):
            return Outcome(Ended(node, attempt, State.SKIPPED))
        if prepared.timeout is not None:
            _set_deadline(assignment, ctx, prepared.timeout.render(names))
        task = prepared.render(names, assignment.execution.masker)
    assignment.idempotent = bool(task.idempotent)
    while not assignment.may_start() and not ctx.cancelled.wait(MAY_NOT_START):
        pass
    if ctx.stop_reason is not None:
        return _stopped(assignment, ctx, None)
    assignment.begun = True
    result = task.run(ctx)
    text = None
    if result is not None:
        text = output_text(result, assignment.execution.masker, assignment.execution.host.seal)
    if ctx.stop_reason is not None:
        return _stopped(assignment, ctx, text)
    return Outcome(Ended(node, attempt, State.SUCCESS), None if text is None else ctx.stored(text))


def _set_deadline(assignment: Assignment, ctx: RunContext, timeout: Any) -> None:
    if is_secret(timeout):
        raise ExpressionError("`timeout` uses a secret, which may not steer a flow")
    try:
        due = time.time() + parse_duration(timeout).total_seconds()
    except ValueError as error:
        raise ExpressionError(f"`timeout`: {error}", expression=str(timeout)[:80]) from None
    ctx.deadline = datetime.fromtimestamp(due, UTC)
    assignment.set_deadline(due)


def _names(assignment: Assignment, ctx: RunContext) -> dict[str, Any]:
    def secret(name: str, *, fresh: bool = False) -> Any:
        return assignment.execution.secrets.get(name, ctx, fresh=fresh)

    type_name = assignment.prepared.step.type
    return names_for(
        assignment.execution,
        assignment.frame,
        no_secret(f"in `{type_name}`: everybody may read it") if type_name in WITHOUT_SECRETS else secret,
        task={"id": assignment.node, "type": type_name, "attempt": assignment.attempt},
        error=error_names(assignment.failed_scope, assignment.frame),
    )


def _stopped(assignment: Assignment, ctx: RunContext, text: str | None) -> Outcome:
    """A task that was told to stop did: what it returned all the same is its partial output."""
    if ctx.stop_reason == "timeout":
        state, kind, message = State.FAILED, "timeout", "it ran longer than its `timeout`"
    elif ctx.stop_reason == "shutdown":
        state, kind, message = State.LOST, "shutdown", "the server was stopped while it ran"
    elif ctx.stop_reason == "lease":
        state, kind, message = State.LOST, "lost", "it was ended: its server could not reach the store any more"
    else:
        state, kind, message = State.CANCELLED, "cancel", "it was cancelled"
    problem = Problem(kind, message, ctx.task_run_id, key_of(assignment.frame), assignment.attempt)
    rerun = state is State.LOST and (assignment.idempotent or not assignment.begun)
    ended = Ended(assignment.node, assignment.attempt, state, problem, rerun)
    return Outcome(ended, ctx.stored(text) if text is not None else ctx.partial)


def _failure(assignment: Assignment, ctx: RunContext, error: BaseException) -> Outcome:
    if ctx.stop_reason is not None:
        return _stopped(assignment, ctx, ctx.partial)
    execution = assignment.execution
    text = ctx.partial
    if isinstance(error, TaskFailed) and error.output is not None:
        try:
            text = output_text(error.output, execution.masker, execution.host.seal)
        except TaskFailed as worse:
            ctx.log.warning(worse.message)
    problem = problem_of(error, ctx.task_run_id, key_of(assignment.frame), assignment.attempt, execution)
    if isinstance(error, RotaError):
        ctx.log.error(problem.message)
    else:
        for line in _traceback(error):
            ctx.log.error(line)
    ended = Ended(assignment.node, assignment.attempt, State.FAILED, problem)
    return Outcome(ended, None if text is None else ctx.stored(text))


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
    message = execution.masker(_text_of(error) or kind)
    if len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE] + " …"
    return Problem(kind, message, task, target, attempt, retryable)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001 - an error of a plugin may not even have a text
        return f"{type(error).__name__}, whose text cannot be had: {type(worse).__name__}"


def _traceback(error: BaseException) -> list[str]:
    try:
        return "".join(traceback.format_exception(error)).rstrip().splitlines()
    except Exception:  # noqa: BLE001
        return [_text_of(error)]


def key_of(frame: FrameView) -> str:
    """Return the key of the nearest iteration, or ""."""
    return frame.key or ""
