"""Puts a filter or test under the budget of the expression that calls it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from rota.flows.templates.budget import current
from rota.flows.templates.calls import settled
from rota.flows.templates.data import plain, surface

Filter = Callable[..., Any]


def bounded(function: Filter) -> Filter:
    """Return `function` with its arguments checked and opened as deep as they go, and its result counted."""
    skipped = _passed(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        evaluation = current()
        evaluation.step()
        data = [plain(evaluation, arg) for arg in args[skipped:]]
        options = {key: plain(evaluation, arg) for key, arg in kwargs.items()}
        return settled(evaluation, function(*args[:skipped], *data, **options))

    return call


def handing_on(function: Filter, *, lenient: bool = False) -> Filter:
    """Return `function`, which only hands on what is inside its arguments, with their surface checked.

    A `lenient` one takes an undefined value as its first argument.
    """
    skipped = _passed(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        evaluation = current()
        evaluation.step()
        data = [surface(evaluation, arg, lenient=lenient and not index) for index, arg in enumerate(args[skipped:])]
        options = {key: surface(evaluation, arg) for key, arg in kwargs.items()}
        result = function(*args[:skipped], *data, **options)
        return result if any(result is arg for arg in data) else settled(evaluation, result)

    return call


def _passed(function: Filter) -> int:
    """Return how many leading arguments are Jinja's own (its context or environment)."""
    return 1 if hasattr(function, "jinja_pass_arg") else 0
