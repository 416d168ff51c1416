"""`rota executions show`: an execution as a tree of its task runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.colours import paint_state
from rota.cli.formats import clean, counts_text, duration_text, first_line, problem_text, time_text
from rota.cli.output import print_json, say
from rota.errors import NotFound

if TYPE_CHECKING:
    from rota.cli.progress.outline import Branch
    from rota.server.application import Application

Row = dict[str, Any]
_ITERATED = ("foreach", "fleet", "repeat")
_FAILED = ("failed", "lost")
_MOST = 20
_PAGE = 1000


@click.command()
@options.execution
@click.option("--path", default="", help="Show the task runs of this iteration or target: `backup[db-17]`.")
@click.option(
    "--output", "output_of", metavar="TASK_RUN", help="Print the output of one task run: `backup[db-17]/dump`."
)
@options.as_json
@pass_application
def command(app: Application, id: str, path: str, output_of: str | None, as_json: bool) -> None:
    """Show an execution: its task runs with states, durations, attempts and errors; its fleets with counts.

    --json prints the execution as `executions list` does, with inputs and outputs, and: revision (null for a draft),
    path, task_runs (of that path: task_run, task, path, type, state, attempt, problem, progress, started_at, ended_at,
    duration), attempts (the earlier ones: task_run, attempt, state, problem, started_at, ended_at, duration), scopes
    (by task run: counts by state, and the failed iterations: task_run, key, index, state, problem, started_at,
    ended_at, duration).
    """
    row = app.executions.get(id)
    if output_of is not None:
        _print_output(app, row["id"], output_of)
        return
    runs = [run for run in _all_runs(app, row["id"], path) if run["node"]]
    if path and not runs:
        raise NotFound(f"there is no `{path}` in this execution", hint="`rota executions show` lists what there is")
    if as_json:
        print_json(_document(app, row, runs, path))
        return
    if not path:
        _print_head(app, row)
    _print_tree(app, row["id"], runs)


def _all_runs(app: Application, id: str, path: str) -> list[Row]:
    runs: list[Row] = []
    after: tuple[str, str] | None = None
    while page := app.executions.task_runs(id, path=path, after=after, limit=_PAGE):
        runs += page
        after = (page[-1]["path"], page[-1]["node"])
    return runs


def _print_output(app: Application, id: str, name: str) -> None:
    from rota.server import records

    path, _, node = name.rpartition("/")
    found = app.executions.output(id, path, node)
    if found is None:
        raise NotFound(f"the task run `{name}` has no output", hint="`rota executions show` lists the task runs")
    print_json(records.public(found))


def _document(app: Application, row: Row, runs: list[Row], path: str) -> dict[str, Any]:
    from rota.server import records

    revision = app.executions.revision(row["id"])
    return {
        **records.execution(row),
        "revision": revision["number"] if revision else None,
        "path": path,
        "task_runs": [records.task_run(run) for run in runs],
        "attempts": [records.attempt(one) for one in app.executions.attempts(row["id"]) if one["path"] == path],
        "scopes": {
            records.name_of(run): {
                "counts": app.executions.iteration_counts(row["id"], run["path"], run["node"]),
                "failed": [records.iteration(one) for one in _failed(app, row["id"], run, limit=_PAGE)],
            }
            for run in runs
            if run["type"] in _ITERATED
        },
    }


def _failed(app: Application, id: str, run: Row, limit: int) -> list[Row]:
    return app.executions.iterations(id, run["path"], run["node"], states=_FAILED, limit=limit, items=False)


def _print_head(app: Application, row: Row) -> None:
    from rota.server import records

    zone = ZoneInfo(app.settings.timezone)
    revision = app.executions.revision(row["id"])
    number = f"revision {revision['number']}" if revision and revision["number"] else "a draft"
    say(f"{row['namespace']}/{row['flow']}  {paint_state(row['state'])}  {number}, run {row['run']}")
    say(f"id        {row['id']}")
    for name in ("created", "started", "ended"):
        if row[f"{name}_at"] is not None:
            say(f"{name:<9} {time_text(row[f'{name}_at'], zone)}")
    if (taken := records.duration(row)) is not None:
        say(f"duration  {duration_text(taken)}")
    for name in ("inputs", "labels", "outputs"):
        for key, value in (records.public(row[name]) or {}).items():
            say(f"{name:<9} {key} = {first_line(str(value), 120)}")
    if row["problem"]:
        say(f"problem   {problem_text(row['problem'])}")
    say()


def _print_tree(app: Application, id: str, runs: list[Row]) -> None:
    by_node = {run["node"]: run for run in runs}
    for depth, block, node in _order(app, id, by_node):
        run = by_node[node]
        say("  " * depth + _line(run, block))
        if run["type"] in _ITERATED:
            _print_iterations(app, id, run, "  " * (depth + 1))


def _order(app: Application, id: str, by_node: dict[str, Row]) -> Iterator[tuple[int, str, str]]:
    """Yield depth, block and id of the nodes as the flow has them; those that it has not, at the end."""
    from rota.cli.progress.outline import outline_of

    revision = app.executions.revision(id)
    left = dict.fromkeys(by_node)
    for depth, branch in _flat(outline_of(revision["source"]) if revision else [], by_node, 0):
        left.pop(branch.id, None)
        yield depth, branch.block, branch.id
    yield from ((0, "", node) for node in left)


def _flat(branches: list[Branch], by_node: dict[str, Row], depth: int) -> Iterator[tuple[int, Branch]]:
    for branch in branches:
        if branch.id in by_node:
            yield depth, branch
        yield from _flat(branch.children, by_node, depth + (branch.id in by_node))


def _line(run: Row, block: str) -> str:
    from rota.server import records

    text = f"{run['node']}" + (f" ({block})" if block else "") + f"  {paint_state(run['state'])}"
    if (taken := records.duration(run)) is not None:
        text += f"  {duration_text(taken)}"
    if run["attempt"] > 1:
        text += f"  attempt {run['attempt']}"
    if run["problem"] and run["state"] != "success":
        text += f"  {problem_text(run['problem'])}"
    return text


def _print_iterations(app: Application, id: str, run: Row, indent: str) -> None:
    counts = app.executions.iteration_counts(id, run["path"], run["node"])
    if counts:
        say(f"{indent}{sum(counts.values())} in all: {counts_text(counts)}")
    for one in _failed(app, id, run, _MOST):
        say(f"{indent}{run['node']}[{clean(one['key'])}]  {paint_state(one['state'])}  {problem_text(one['problem'])}")
    more = sum(counts.get(state, 0) for state in _FAILED) - _MOST
    if more > 0:
        say(f"{indent}… {more} more: add --json")
