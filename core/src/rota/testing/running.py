"""Runs flows in a test: through the application, in a home of the test's own, to their end."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from rota.plugins import Plugins
    from rota.server.application import Application


@dataclass(frozen=True, slots=True)
class FlowRun:
    """How an execution ended.

    `outputs` are the flow's, `tasks` has the state of each task run by its id (`backup[db-17]/dump`), `error` is
    the message of what failed first, `log` all lines in order.
    """

    id: str
    state: str
    outputs: dict[str, Any]
    tasks: dict[str, str]
    error: str
    log: str


class RunFlow(Protocol):
    """The type of the fixture `run_flow`."""

    def __call__(
        self,
        flow: str | Path,
        inputs: Mapping[str, Any] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> FlowRun:
        """Run `flow` and return how it ended.

        `flow` is YAML, or the path of a file with its `files` beside it. `inputs` are JSON values. `secrets` are
        by path, `{"db": "…"}`, or by path and field, `{"db#password": "…"}`. `timeout` is in seconds.

        Raises FlowError for a flow that does not load, and AssertionError for one that does not end.
        """
        ...


class FlowRunner:
    """Holds the application of one test, opened for the first flow; used by the fixture `run_flow`."""

    def __init__(self, home: Path, plugins: Plugins | None = None) -> None:
        self._home = home
        self._secrets = home / "secrets"
        self._plugins = plugins
        self._app: Application | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._app is not None:
            self._app.close()

    @property
    def app(self) -> Application:
        """The application."""
        if self._app is None:
            self._app = self._open()
        return self._app

    def run(
        self,
        flow: str | Path,
        inputs: Mapping[str, Any] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> FlowRun:
        """Run a flow as `RunFlow` says."""
        from rota.flows.loader import load_flow, parse_flow

        app = self.app
        for name, value in (secrets or {}).items():
            self._keep(name, value)
        loaded = load_flow(flow) if isinstance(flow, Path) else parse_flow(textwrap.dedent(flow))
        execution = app.executions.run_file(loaded, inputs or {})
        row = app.executions.wait(execution, timeout)
        if row is None:
            app.executions.cancel(execution)
            raise AssertionError(f"the flow did not end within {timeout:g} s; so far:\n{_log(app, execution)}")
        return _result(app, row)

    def _open(self) -> Application:
        from rota.server.application import Application
        from rota.settings import SecretSettings, Settings
        from rota.store import keyring

        self._secrets.mkdir(parents=True, mode=0o700)
        backend = SecretSettings.model_validate({"id": "test", "type": "file", "folder": str(self._secrets)})
        settings = Settings(home=self._home, durability="process", secrets=[backend])
        keyring.create(settings.secret_key_file)
        return Application(settings, self._plugins)

    def _keep(self, name: str, value: str) -> None:
        path, _, field = name.partition("#")
        place = self._secrets / path / field if field else self._secrets / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(value, encoding="utf-8")


def _result(app: Application, row: dict[str, Any]) -> FlowRun:
    problem = row["problem"] or {}
    runs: dict[str, str] = {}
    after: tuple[str, str] | None = None
    while page := app.executions.task_runs(row["id"], after=after):
        runs |= {f"{run['path']}/{run['node']}".lstrip("/"): str(run["state"]) for run in page if run["node"]}
        after = page[-1]["path"], page[-1]["node"]
    return FlowRun(
        id=row["id"],
        state=row["state"],
        outputs=row["outputs"] or {},
        tasks=runs,
        error=problem.get("message", "") if isinstance(problem, dict) else problem.message,
        log=_log(app, row["id"]),
    )


def _log(app: Application, execution: str) -> str:
    lines, after = [], 0
    while page := app.executions.logs(execution, after=after):
        lines += [line["message"] for line in page]
        after = page[-1]["id"]
    return "\n".join(lines)
