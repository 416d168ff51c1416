"""Events, commands and node states as small JSON, and back."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, get_args

from rota.executions.models import Command, Event, NodeState, Problem, State

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*get_args(Event), *get_args(Command))}
_NOTHING = object()


def _default(one: Any) -> Any:
    if one.default is not MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not MISSING else _NOTHING


_FIELDS = {kind: [(one.name, _default(one)) for one in fields(kind)] for kind in (*_KINDS.values(), Problem, NodeState)}


def to_json(message: Event | Command) -> dict[str, Any]:
    """Return `message` with a `kind`; what has its default is left out."""
    return {"kind": type(message).__name__, **_pack(message)}


def from_json(data: dict[str, Any]) -> Any:
    """Return the event or command that `to_json` made `data` of. Raises ValueError for an unknown kind."""
    kind = _KINDS.get(data.get("kind", ""))
    if kind is None:
        raise ValueError(f"no event or command is called `{data.get('kind')}`")
    return _unpack(kind, {name: value for name, value in data.items() if name != "kind"})


def node_state_to_json(state: NodeState) -> dict[str, Any]:
    """Return a node's state; what has its default is left out."""
    return _pack(state)


def node_state_from_json(data: dict[str, Any]) -> NodeState:
    """Return the state that `node_state_to_json` made `data` of."""
    state: NodeState = _unpack(NodeState, data)
    return state


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """Return `problem`; what has its default is left out."""
    return _pack(problem)


def problem_from_json(data: dict[str, Any]) -> Problem:
    """Return the problem that `problem_to_json` made `data` of."""
    return Problem(**data)


def _pack(thing: Any) -> dict[str, Any]:
    packed: dict[str, Any] = {}
    for name, default in _FIELDS[type(thing)]:
        value = getattr(thing, name)
        if value == default:
            continue
        packed[name] = _plain(value)
    return packed


def _plain(value: Any) -> Any:
    if isinstance(value, State):
        return value.value
    return _pack(value) if isinstance(value, Problem) else value


def _unpack(kind: type[Any], data: dict[str, Any]) -> Any:
    known = dict(data)
    if "state" in known:
        known["state"] = State(known["state"])
    if known.get("problem") is not None:
        known["problem"] = Problem(**known["problem"])
    return kind(**known)
