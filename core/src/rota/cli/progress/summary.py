"""The end of an execution in a few lines: its state, what failed, how to go on, where the logs are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rota.cli.application import command_line
from rota.cli.colours import paint_state
from rota.cli.formats import clean, duration_text, first_line, problem_text, short_id
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]
_MOST = 10
_CONTROL = frozenset({"flow", "iteration", "sequential", "parallel", "if", "switch", "repeat", "foreach", "fleet"})


def print_summary(app: Application, row: Row) -> None:
    """Print how the execution in `row` ended."""
    from rota.server import records

    state, taken = row["state"], records.duration(row)
    problem = f": {problem_text(row['problem'])}" if row["problem"] and state != "success" else ""
    say(f"{row['namespace']}/{row['flow']} {paint_state(state)} in {duration_text(taken or 0.0)}{problem}")
    if state != "success":
        _print_failures(app, row)
    outputs = records.public(row["outputs"])
    for name, value in (outputs or {}).items():
        say(f"  {name}: {first_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))}")
    short = short_id(row["id"])
    say(f"logs:    {command_line(f'executions logs {short}')}")
    if state in ("failed", "cancelled", "warning"):
        say(f"restart: {command_line(f'executions restart {short}')}")


def failed_runs(app: Application, id: str, most: int = _MOST) -> list[Row]:
    """Return the tasks that failed or were lost, those of `finally` and `errors` too; not the scopes around them."""
    found: list[Row] = []
    after: tuple[str, str] | None = None
    while len(found) < most:
        page = app.executions.task_runs(id, states=("failed", "lost"), after=after, limit=200)
        found += [run for run in page if run["node"] and run["type"] not in _CONTROL]
        if len(page) < 200:
            break
        after = (page[-1]["path"], page[-1]["node"])
    return found[:most]


def _print_failures(app: Application, row: Row) -> None:
    runs = failed_runs(app, row["id"], _MOST + 1)
    for run in runs[:_MOST]:
        name = f"{run['path']}/{run['node']}" if run["path"] else run["node"]
        problem = problem_text(run["problem"]) or run["state"]
        say(f"  {clean(name)}: {problem}")
    if len(runs) > _MOST:
        command = f"executions show {short_id(row['id'])}"
        say(f"  … and more: {command_line(command)}")
