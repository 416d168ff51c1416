"""For the tests of plugins: a pytest plugin with the fixtures `ctx`, `run_flow` and `poll`, and `check_extension`.

It is loaded in every pytest run where Rota is installed, so that everything is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rota.testing.contract import check_extension as check_extension
    from rota.testing.polling import Poll as Poll
    from rota.testing.recorded import LogLine as LogLine
    from rota.testing.recorded import RecordedContext as RecordedContext
    from rota.testing.running import FlowRun as FlowRun
    from rota.testing.running import RunFlow as RunFlow

_EXPORTS = {
    "FlowRun": "running",
    "LogLine": "recorded",
    "Poll": "polling",
    "RecordedContext": "recorded",
    "RunFlow": "running",
    "check_extension": "contract",
}

__all__ = ["FlowRun", "LogLine", "Poll", "RecordedContext", "RunFlow", "check_extension", "ctx", "poll", "run_flow"]


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[RecordedContext]:
    """A context for `task.run(ctx)`, over folders of the test's own; it keeps what the task did with it."""
    from rota.testing.recorded import RecordedContext

    context = RecordedContext(tmp_path)
    yield context
    context.close()


@pytest.fixture
def poll(ctx: RecordedContext) -> Poll:
    """Poll a trigger as a server does; `ctx.state` is its memory."""
    from rota.testing.polling import Poller

    return Poller(ctx)


@pytest.fixture
def run_flow(tmp_path: Path) -> Iterator[RunFlow]:
    """Run a flow, given as YAML or as the path of its file, to its end, in a home of the test's own."""
    from rota.testing.running import FlowRunner

    with FlowRunner(tmp_path / "rota-home") as runner:
        yield runner.run


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module `rota.testing` has no attribute `{name}`")
    from importlib import import_module

    return getattr(import_module(f"rota.testing.{module}"), name)
