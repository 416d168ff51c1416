"""A flow as a tree of sites: each task with its path in the document and its place in what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rota.flows.models import AnyStep, Fleet, Flow, Foreach, If, Parallel, Repeat, Scope, Sequential, Step, Switch
from rota.flows.places import Path

END = 1 << 30
"""The index of what comes after all tasks of a list."""


@dataclass(eq=False, slots=True)
class Site:
    """A task, or with `step` None the flow itself.

    `block` is the list of the parent that it is in, as written: `tasks`, `then`, `else`, `default`, `errors`,
    `finally`, or `cases.<text>`; `index` its place there.
    """

    step: Step | None
    path: Path
    parent: Site | None = None
    block: str = ""
    index: int = 0
    blocks: dict[str, list[Site]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.step.id if self.step else ""

    @property
    def iterates(self) -> bool:
        """Whether its `tasks` run more than once, each time with outputs of their own."""
        return isinstance(self.step, (Foreach, Fleet, Repeat))

    def owners(self) -> Iterator[Site]:
        """Yield what holds it, from the inside outward, the flow last."""
        site = self.parent
        while site is not None:
            yield site
            site = site.parent


@dataclass(frozen=True, slots=True)
class Cursor:
    """The moment at which something is evaluated: before the task at `index` of a block of `owner`."""

    owner: Site
    block: str
    index: int

    def chain(self) -> Iterator[Cursor]:
        """Yield this moment, then the ones at which the owners began, from the inside outward."""
        cursor: Cursor | None = self
        while cursor is not None:
            yield cursor
            site = cursor.owner
            cursor = Cursor(site.parent, site.block, site.index) if site.parent is not None else None


def start_of(site: Site) -> Cursor:
    """Return the moment at which `site` begins."""
    return Cursor(site.parent, site.block, site.index) if site.parent else Cursor(site, "tasks", -1)


def end_of_tasks(site: Site) -> Cursor:
    """Return the moment after the `tasks` of `site`, or of one iteration of it."""
    return Cursor(site, "tasks", END)


@dataclass(frozen=True, slots=True)
class Tree:
    """All sites of a flow in the order of the text, the flow itself in `root`."""

    root: Site
    sites: tuple[Site, ...]
    by_id: dict[str, Site]


def tree_of(flow: Flow) -> Tree:
    """Return the sites of `flow`."""
    root = Site(None, ())
    lists = {"tasks": flow.tasks, "errors": flow.errors, "finally": flow.finally_}
    _fill(root, {name: ((name,), steps) for name, steps in lists.items()})
    sites = tuple(_walk(root))
    return Tree(root, sites, {site.id: site for site in sites})


def _fill(owner: Site, lists: dict[str, tuple[Path, list[AnyStep]]]) -> None:
    for block, (keys, steps) in lists.items():
        children = owner.blocks[block] = []
        for index, step in enumerate(steps):
            site = Site(step, (*owner.path, *keys, index), owner, block, index)
            children.append(site)
            if isinstance(step, Scope):
                _fill(site, _lists(step))


def _lists(step: Scope) -> dict[str, tuple[Path, list[AnyStep]]]:
    found: dict[str, tuple[Path, list[AnyStep]]] = {}
    if isinstance(step, (Sequential, Parallel, Repeat, Foreach, Fleet)):
        found["tasks"] = (("tasks",), step.tasks)
    elif isinstance(step, If):
        found["then"], found["else"] = (("then",), step.then), (("else",), step.else_)
    elif isinstance(step, Switch):
        found |= {f"cases.{case}": (("cases", case), steps) for case, steps in step.cases.items()}
        found["default"] = (("default",), step.default or [])
    found["errors"], found["finally"] = (("errors",), step.errors), (("finally",), step.finally_)
    return found


def _walk(owner: Site) -> Iterator[Site]:
    for children in owner.blocks.values():
        for site in children:
            yield site
            yield from _walk(site)
