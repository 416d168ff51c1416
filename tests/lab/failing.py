"""What the tests of every type have in common: a failure that shows no secret, and a cancel that waits for nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from rota import RotaError, TaskFailed
from rota.testing import RecordedContext

SECRET = "never-shown-anywhere"
SOON = 30.0
"""Seconds within which a cancelled task must have ended, on the slowest machine."""


def failing(ctx: RecordedContext, act: Callable[..., object], *given: Any, kind: type[RotaError] = TaskFailed) -> Any:
    """Do it, `act(ctx, *given)`, and return its failure of the `kind`, which shows no `SECRET`."""
    with pytest.raises(kind) as failure:
        act(ctx, *given)
    assert SECRET not in f"{failure.value} {failure.value.hint} {ctx.log.text}"
    return failure.value


def failing_by_cancel(ctx: RecordedContext, act: Callable[..., object], *given: Any) -> Any:
    """Do it, cancel it once it waits, and return its failure, which comes soon."""
    timer = threading.Timer(0.3, ctx.cancel)
    timer.start()
    began = time.monotonic()
    error = failing(ctx, act, *given)
    assert time.monotonic() - began < SOON, "it waits for the server"
    return error
