"""Shows an execution on a terminal: a tree of its tasks with counts, and the last log lines below it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from rota.cli.colours import STATES
from rota.cli.formats import clean, duration_text, problem_text, short_id
from rota.cli.progress.outline import Branch

if TYPE_CHECKING:
    from rota.server.application import Application
    from rota.server.executions import Progress
    from rota.server.watching import Update

Row = dict[str, Any]
_MARKS = {
    "success": "✓",
    "warning": "!",
    "failed": "✗",
    "lost": "✗",
    "cancelled": "✗",
    "running": "●",
    "retrying": "↻",
    "paused": "‖",
    "cancelling": "●",
    "skipped": "-",
}
_DONE = ("success", "warning", "skipped", "failed", "lost", "cancelled")
_TAIL = 6


class LiveProgress:
    """Draws the tree anew with each update; `close` leaves the last one on the screen."""

    def __init__(self, app: Application, id: str, branches: list[Branch]) -> None:
        self._app, self._id = app, id
        self._branches = branches
        self._nodes: dict[str, Row] = {}
        self._lines: deque[Text] = deque(maxlen=_TAIL)
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="ellipsis")
        self._live.start()

    def show(self, update: Update) -> None:
        """Take in what is new and draw."""
        self._nodes.update({node["node"]: node for node in update.nodes})
        self._lines.extend(_log_line(line) for line in update.lines[-_TAIL:])
        progress = self._app.executions.progress(self._id)
        tree = self._tree(update.execution, progress)
        tail = [] if update.ended else list(self._lines)
        self._live.update(Group(tree, *tail), refresh=True)

    def close(self) -> None:
        """Stop drawing and give the terminal back."""
        self._live.stop()

    def _tree(self, row: Row, progress: Progress) -> Tree:
        label = Text.assemble(
            (f"{row['namespace']}/{row['flow']}", "bold"),
            "  ",
            (row["state"], STATES.get(row["state"], "")),
            f"  {duration_text((row['ended_at'] or time.time()) - (row['started_at'] or row['created_at']))}",
            (f"  {short_id(row['id'])}", "dim"),
        )
        tree = Tree(label, guide_style="dim")
        room = max(8, self._console.height - _TAIL - 3)
        for branch in self._branches:
            self._grow(tree, branch, progress, room)
        return tree

    def _grow(self, tree: Tree, branch: Branch, progress: Progress, room: int) -> None:
        counts = progress.tasks.get(branch.id, {})
        state = self._nodes[branch.id]["state"] if branch.id in self._nodes else _state_of(counts)
        twig = tree.add(self._label(branch, state, counts, progress))
        size = sum(1 for top in self._branches for _ in top.walk())
        # What is over or has not begun needs no details where there is little room.
        if size <= room or state in ("running", "failed", "paused", "retrying", "cancelling"):
            for child in branch.children:
                self._grow(twig, child, progress, room)

    def _label(self, branch: Branch, state: str, counts: dict[str, int], progress: Progress) -> Text:
        style = STATES.get(state, "")
        text = Text.assemble((f"{_MARKS.get(state, '·')} ", style), branch.id)
        if branch.block:
            text.append(f" ({branch.block})", "dim")
        if branch.iterated:
            text.append_text(_counted(progress.iterations.get(branch.id, {})))
        elif branch.repeated:
            text.append_text(_counted(counts, total=False))
        node = self._nodes.get(branch.id)
        if node is not None and not branch.repeated:
            text.append_text(_details(node))
        return text


def _counted(counts: dict[str, int], *, total: bool = True) -> Text:
    text, number = Text(), sum(counts.values())
    if not number:
        return text
    if total:
        text.append(f"  {sum(counts.get(state, 0) for state in _DONE)}/{number}")
    for state in ("running", "retrying", "paused", "success", "warning", "failed", "lost", "cancelled"):
        if counts.get(state):
            text.append(f"  {counts[state]} {state}", STATES[state])
    return text


def _details(node: Row) -> Text:
    text = Text()
    if node["started_at"] is not None:
        text.append(f"  {duration_text((node['ended_at'] or time.time()) - node['started_at'])}", "dim")
    if node["attempt"] > 1:
        text.append(f"  attempt {node['attempt']}", "yellow")
    if node["progress"] and not node["ended_at"]:
        done, total = node["progress"].get("done"), node["progress"].get("total")
        text.append(f"  {done:g}" + (f" of {total:g}" if total else ""), "dim")
    if node["problem"] and node["state"] not in ("success", "running"):
        text.append(f"  {problem_text(node['problem'])}", STATES.get(node["state"], ""))
    return text


def _state_of(counts: dict[str, int]) -> str:
    """Return the state to show for a task that has one in each iteration: the most urgent."""
    for state in ("failed", "lost", "running", "retrying", "paused", "warning", "success", "cancelled", "skipped"):
        if counts.get(state):
            return state
    return "created"


def _log_line(line: Row) -> Text:
    name = f"{line['path']}/{line['node']}" if line["path"] else line["node"]
    message = " ".join(clean(line["message"]).split("\n"))
    style = {"error": "red", "warning": "yellow"}.get(line["level"], "dim")
    return Text(f"  {clean(name)} | {message}", style=style, overflow="ellipsis", no_wrap=True)
