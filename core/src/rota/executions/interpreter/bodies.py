"""The body of each kind of scope, opened as new or where it left off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rota.executions.interpreter import group
from rota.executions.interpreter.live import Live
from rota.executions.interpreter.loop import Loop
from rota.executions.interpreter.rollout import Rollout
from rota.executions.interpreter.sequence import Sequence, put_back_from
from rota.executions.interpreter.values import BodyProblem, boolean, count
from rota.executions.models import LimitsChanged, Problem

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node


def open_body(frame: Frame, node: Node, values: dict[str, Any]) -> None:
    """Start the body of a scope. Raises BadValue and BodyProblem."""
    _OPEN.get(node.kind, _sequence)(frame, node, values)


def _sequence(frame: Frame, node: Node, _: dict[str, Any], block: str = "body") -> None:
    live = Sequence(node, node.blocks[block])
    frame.lives[node.id] = live
    if "on" in frame.states[node.id].data:
        put_back_from(frame, live.children)
        live.skip_ended(frame)
    live.go(frame)


def _branch(frame: Frame, node: Node, block: str) -> None:
    frame.state(node).data["block"] = block
    _sequence(frame, node, {}, block)


def _if(frame: Frame, node: Node, values: dict[str, Any]) -> None:
    known = frame.states[node.id].data.get("block")
    condition = boolean(values.get("condition", node.fixed.get("condition")), "condition") if known is None else False
    _branch(frame, node, known or ("then" if condition else "else"))


def _switch(frame: Frame, node: Node, values: dict[str, Any]) -> None:
    block = frame.states[node.id].data.get("block")
    if block is None:
        text = _text(values.get("value", node.fixed.get("value")))
        block = f"case:{text}" if f"case:{text}" in node.blocks else "default"
        if block not in node.blocks:
            raise BodyProblem(Problem("switch", f"`{node.id}` has no case for `{text[:40]}` and no `default`"))
    _branch(frame, node, block)


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parallel(frame: Frame, node: Node, values: dict[str, Any]) -> None:
    limit = values.get("concurrency", node.fixed.get("concurrency"))
    live = group.Group(node, None if limit is None else count(limit, "concurrency", least=1))
    if limit is not None:
        frame.state(node).data["limit"] = live.limit
    frame.lives[node.id] = live
    if "on" in frame.states[node.id].data:
        group.put_back(frame, node)
    live.count(frame)
    live.go(frame)


def _repeat(frame: Frame, node: Node, values: dict[str, Any]) -> None:
    frame.lives[node.id] = live = Loop(node)
    live.open(frame, values)


def _iterate(frame: Frame, node: Node, values: dict[str, Any]) -> None:
    frame.lives[node.id] = live = Rollout(node)
    live.open(frame, values)


def change_limits(frame: Frame, live: Live, event: LimitsChanged) -> None:
    """Change the limits of a `foreach` or `fleet` under way."""
    if isinstance(live, Rollout):
        live.change(frame, event)


_OPEN: dict[str, Callable[[Frame, Node, dict[str, Any]], None]] = {
    "if": _if,
    "switch": _switch,
    "parallel": _parallel,
    "repeat": _repeat,
    "foreach": _iterate,
    "fleet": _iterate,
}
