"""The tasks of a flow as a tree, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ITERATED = frozenset({"foreach", "fleet", "repeat"})
"""The scopes whose tasks run once for each iteration."""
_LISTS = (("tasks", ""), ("then", "then"), ("else_", "else"), ("default", "default"))
_ENDS = (("errors", "errors"), ("finally_", "finally"))


@dataclass(slots=True)
class Branch:
    """A task or scope. `block` says which list of its scope it stands in; `repeated`: it runs in iterations."""

    id: str
    type: str
    block: str = ""
    repeated: bool = False
    children: list[Branch] = field(default_factory=list)

    @property
    def iterated(self) -> bool:
        """Whether its children run once for each iteration."""
        return self.type in ITERATED

    def walk(self) -> Iterator[Branch]:
        """Yield this branch and all below it, in order."""
        yield self
        for child in self.children:
            yield from child.walk()


def outline(flow: Any) -> list[Branch]:
    """Return the tasks of a flow."""
    return _children(flow, repeated=False)


def outline_of(source: str) -> list[Branch]:
    """Return the tasks of a flow's stored source; nothing where this version cannot read it any more."""
    from rota.errors import FlowError
    from rota.flows.loader import parse_flow

    try:
        return outline(parse_flow(source).flow)
    except FlowError:
        return []


def _children(owner: Any, *, repeated: bool) -> list[Branch]:
    found: list[Branch] = []
    inside = repeated or getattr(owner, "type", "") in ITERATED
    for name, block in _LISTS:
        found += [_branch(step, block, repeated=inside) for step in getattr(owner, name, None) or ()]
    for case, steps in getattr(owner, "cases", {}).items():
        found += [_branch(step, f"case {case}", repeated=inside) for step in steps]
    for name, block in _ENDS:
        # These run once for the whole, of an iterated scope too.
        found += [_branch(step, block, repeated=repeated) for step in getattr(owner, name, None) or ()]
    return found


def _branch(step: Any, block: str, *, repeated: bool) -> Branch:
    return Branch(step.id, step.type, block, repeated, _children(step, repeated=repeated))
