"""What a task may read: whether another one must have ended, may have run, or lies inside of an iteration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rota.flows.checker.tree import END, Cursor, Site, start_of
from rota.flows.models import If, Parallel, Switch

_AFTER = {"errors": 1, "finally": 2}


class Sight(Enum):
    """How one task stands to the moment at which it is read."""

    ENDED = "it has ended"
    MAYBE = "it has ended if it ran"
    NOT_YET = "it has not ended"
    NEVER = "it cannot have run"
    HIDDEN = "it is inside of an iteration"


@dataclass(frozen=True, slots=True)
class Seen:
    """How a task is seen. `why` goes on after its name; `by` is the site that decides (an iteration, a condition)."""

    sight: Sight
    why: str = ""
    by: Site | None = None


def see(cursor: Cursor, target: Site) -> Seen:
    """Return how `target` is seen at `cursor`."""
    here = {moment.owner: moment for moment in cursor.chain()}
    if target in here:
        return Seen(Sight.NOT_YET, "is still running then", target)
    below: list[Cursor] = []
    for there in start_of(target).chain():
        if there.owner in here:
            return _compare(here[there.owner], there, below, target)
        below.append(there)
    raise AssertionError("two tasks of one flow have the flow in common")


def _compare(here: Cursor, there: Cursor, below: list[Cursor], target: Site) -> Seen:
    """Compare two moments in the same owner; `below` leads from `target` up to it."""
    owner = here.owner
    hiding = [moment.owner for moment in below if moment.owner.iterates and moment.block == "tasks"]
    if owner.iterates and there.block == "tasks" and here.block != "tasks":
        hiding.append(owner)
    if hiding:
        return Seen(Sight.HIDDEN, f"runs in the iterations of `{hiding[-1].id}`", hiding[-1])
    compare = _same_block if here.block == there.block else _other_block
    seen = compare(here, there, owner)
    if seen.sight is not Sight.ENDED:
        return seen
    return _certainly(below, target)


def _same_block(here: Cursor, there: Cursor, owner: Site) -> Seen:
    if here.index == there.index:
        return Seen(Sight.NOT_YET, "has not ended then")
    if isinstance(owner.step, Parallel) and here.block == "tasks" and here.index != END:
        if there.index in _needed(owner, here.index):
            return Seen(Sight.ENDED)
        return Seen(Sight.NOT_YET, f"runs at the same time, in `{owner.id}`", owner)
    return Seen(Sight.ENDED) if there.index < here.index else Seen(Sight.NOT_YET, "runs later")


def _other_block(here: Cursor, there: Cursor, owner: Site) -> Seen:
    now, then = _AFTER.get(here.block, 0), _AFTER.get(there.block, 0)
    if then > now:
        return Seen(Sight.NOT_YET, f"runs later, in `{there.block}`")
    if then == now:
        return Seen(Sight.NEVER, f"is in another branch of `{owner.id}`", owner)
    if there.block == "errors":
        return Seen(Sight.MAYBE, "runs only after a failure")
    return Seen(Sight.MAYBE, f"may not have run when `{here.block}` does")


def _needed(owner: Site, index: int) -> set[int]:
    """Return the places of all that the task at `index` of a `parallel` needs, directly or not."""
    siblings = owner.blocks["tasks"]
    places = {site.id: site.index for site in siblings}
    found: set[int] = set()
    todo = [index]
    while todo:
        step = siblings[todo.pop()].step
        for name in (step.needs if step else None) or ():
            if name in places and places[name] not in found:
                found.add(places[name])
                todo.append(places[name])
    return found


def _certainly(below: list[Cursor], target: Site) -> Seen:
    """Return ENDED, or MAYBE with the first reason why `target` may not have run."""
    for site in (target, *(moment.owner for moment in below)):
        step = site.step
        if step is None:
            continue
        if step.disabled or step.when is False:
            return Seen(Sight.NEVER, "is disabled" if site is target else f"is in `{site.id}`, which is disabled", site)
        if step.when is not None and step.when is not True:
            return Seen(Sight.MAYBE, "runs only if its `when` is true" if site is target
                        else f"runs only if the `when` of `{site.id}` is true", site)  # fmt: skip
        if site is not target and (step.allow_failure or getattr(step, "recover", False)):
            return Seen(Sight.MAYBE, f"may not be reached in `{site.id}`, whose failure is no end", site)
    for moment in below:
        if isinstance(moment.owner.step, (If, Switch)) and moment.block not in _AFTER:
            return Seen(Sight.MAYBE, f"is in a branch of `{moment.owner.id}`", moment.owner)
        if moment.block == "errors":
            return Seen(Sight.MAYBE, "runs only after a failure", moment.owner)
    return Seen(Sight.ENDED)
