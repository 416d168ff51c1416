"""`rota executions logs`: the log lines of an execution, as they come if asked to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import time_text
from rota.cli.output import print_json_line, say

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]
_LEVELS = ("debug", "info", "warning", "error")
_PAGE = 1000


@click.command()
@options.execution
@click.option("-f", "--follow", is_flag=True, help="Go on until the execution has ended.")
@click.option(
    "--task", help="Those of a task (`dump`), a task run (`backup[db-17]/dump`) or a target (`backup[db-17]`)."
)
@click.option("--level", type=click.Choice(_LEVELS), help="Those of this level and above.")
@click.option("-n", "--tail", type=click.IntRange(min=0), help="Only so many of the last lines.")
@options.as_json
@pass_application
def command(
    app: Application, id: str, follow: bool, task: str | None, level: str | None, tail: int | None, as_json: bool
) -> None:
    """Print the log lines of an execution.

    --json prints one object a line: at, task_run, attempt, level, message, fields.
    """
    from rota.cli.progress.plain import log_text
    from rota.server import records

    zone = ZoneInfo(app.settings.timezone)
    full = app.executions.resolve(id)
    filters = {**_of_task(task), "levels": _LEVELS[_LEVELS.index(level) :] if level else ()}
    for line in _lines(app, full, filters, tail, follow=follow):
        if as_json:
            print_json_line(records.log_line(line))
        else:
            say(f"{time_text(line['at'], zone)} {log_text(line)}")


def _lines(app: Application, id: str, filters: dict[str, Any], tail: int | None, *, follow: bool) -> Iterator[Row]:
    after = 0
    if tail is not None:
        last = app.executions.tail(id, limit=tail, **filters) if tail else []
        yield from last
        if not follow:
            return
        newest = app.executions.tail(id, limit=1)
        after = newest[-1]["id"] if newest else 0
    if follow:
        for page in app.executions.follow_logs(id, after=after, **filters):
            yield from page
        return
    while page := app.executions.logs(id, after=after, limit=_PAGE, **filters):
        yield from page
        after = page[-1]["id"]


def _of_task(task: str | None) -> dict[str, str]:
    if task is None:
        return {}
    if task.endswith("]"):
        return {"path": task}
    path, slash, node = task.rpartition("/")
    return {"path": path, "node": node} if slash else {"node": node}
