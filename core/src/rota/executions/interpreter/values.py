"""The values that steer a flow: what of them is an expression, and what a rendered one means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rota.executions.models import Problem
from rota.flows.models import Retry, Wait

LONGEST = 10 * 365 * 86400.0
"""No computed wait is longer, in seconds."""


class Expr(str):
    """An expression whose braces are optional; any other text is a template."""

    __slots__ = ()


class Condition(Expr):
    """An expression that must give a boolean."""

    __slots__ = ()


class BadValue(ValueError):
    """A rendered value is not what is needed there; the message is fit to be shown."""

    def problem(self) -> Problem:
        return Problem(type="template", message=str(self), retryable=False)


class BodyProblem(Exception):
    """A scope cannot start its body; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def is_template(value: Any) -> bool:
    """Whether `value` has an expression anywhere in it, in lists and mappings too."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            if "{{" in one or "{%" in one or isinstance(one, Expr):
                return True
        elif isinstance(one, dict):
            todo.extend(one.values())
            todo.extend(one.keys())
        elif isinstance(one, (list, tuple)):
            todo.extend(one)
    return False


def seconds(value: Any, name: str) -> float:
    """Return the length in seconds of a duration: a timedelta, a number, or text such as `1h30m`."""
    try:
        duration = _wait().validate_python(value)
    except ValidationError as error:
        raise BadValue(f"`{name}`: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    if isinstance(duration, str):
        raise BadValue(f"`{name}` gave a template again: `{duration[:40]}`")
    assert isinstance(duration, timedelta)
    return duration.total_seconds()


def count(value: Any, name: str, *, least: int = 0) -> int:
    """Return a whole number, which may come as text."""
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise BadValue(f"`{name}` must be a whole number from {least}, not `{str(value)[:40]}`")
    return number


def boolean(value: Any, name: str) -> bool:
    """Return `value` if it is a boolean."""
    if not isinstance(value, bool):
        raise BadValue(f"`{name}` must give true or false, not `{str(value)[:40]}`")
    return value


def share(value: Any, name: str, *, least: int = 0) -> int | str:
    """Return a number of targets, or the percentage as text without spaces: `10%`."""
    if not (isinstance(value, str) and value.strip().endswith("%")):
        return count(value, name, least=least)
    text = value.strip()[:-1].strip()
    try:
        percent = Fraction(text)
    except (ValueError, ZeroDivisionError):
        percent = Fraction(-1)
    if percent < 0 or "/" in text:
        raise BadValue(f"`{name}` must be a number or a percentage such as `10%`, not `{value[:40]}`")
    return f"{text}%"


def part(value: int | str, total: int) -> int:
    """Return how many of `total` a share is: percentages are rounded up, and are 1 at least."""
    if isinstance(value, int):
        return value
    return max(1, math.ceil(Fraction(value[:-1]) * total / 100))


def exceeds(failures: int, limit: int | str, total: int) -> bool:
    """Whether `failures` out of `total` are more than `limit` allows."""
    if isinstance(limit, int):
        return failures > limit
    return failures * 100 > Fraction(limit[:-1]) * total


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """A `retry` with every value known; waits in seconds."""

    attempts: int
    delay: float = 0.0
    factor: float = 1.0
    max_delay: float | None = None
    jitter: float = 0.0
    on: frozenset[str] | None = None

    def wait(self, tries: int) -> float:
        """Return the wait after the failure of try number `tries`, the first being 1."""
        try:
            delay = self.delay * self.factor ** (tries - 1)
        except OverflowError:
            delay = LONGEST
        return min(delay, LONGEST if self.max_delay is None else self.max_delay)

    def covers(self, problem: Problem | None, *, lost: bool = False) -> bool:
        """Whether something that failed with `problem` is to be tried again."""
        if problem is not None and not problem.retryable:
            return False
        if self.on is None:
            return True
        return (problem is not None and problem.type in self.on) or (lost and "lost" in self.on)


def plan(retry: Retry, rendered: dict[str, Any]) -> RetryPlan:
    """Return the plan of `retry`, its templates replaced by their rendered values."""
    attempts = rendered.get("attempts", retry.attempts)
    delay = rendered.get("delay", retry.delay)
    longest = rendered.get("max_delay", retry.max_delay)
    return RetryPlan(
        attempts=1 if is_template(attempts) else count(attempts, "retry.attempts", least=1),
        delay=0.0 if is_template(delay) else seconds(delay, "retry.delay"),
        factor=retry.factor if retry.backoff == "exponential" else 1.0,
        max_delay=None if longest is None or is_template(longest) else seconds(longest, "retry.max_delay"),
        jitter=retry.jitter,
        on=None if retry.on is None else frozenset(retry.on),
    )


@cache
def _wait() -> TypeAdapter[Any]:
    return TypeAdapter(Wait)
