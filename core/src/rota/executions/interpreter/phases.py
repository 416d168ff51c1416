"""How far a node that is under way has come, as its `NodeState.phase` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rota.executions.models import NodeState

if TYPE_CHECKING:
    from rota.executions.interpreter.program import Node

ENTER = "enter"
"""What is asked before a lock is taken is being evaluated."""
LOCK = "lock"
"""Its lock was asked for."""
EVAL = "eval"
"""It has begun; what steers it is being evaluated."""
BODY = "body"
"""Its children or iterations are under way."""
RETRY = "retry"
"""It failed and waits to be tried again."""
ERRORS = "errors"
"""Its `errors` are under way."""
FINALLY = "finally"
"""Its `finally` is under way."""
END = "end"
"""What is read last is being evaluated."""
WITHDRAWN = "withdrawn"
"""A task that is being taken back before a worker has it."""
PERSON = "person"
"""A `pause` that a person must end."""
WAIT = "wait"
"""A `sleep`, or a `pause` that ends by itself."""
SUBFLOW = "subflow"
"""A subflow that runs."""


def setting(node: Node, state: NodeState, name: str) -> Any:
    """Return a common key of a node, rendered or as written; None where it has none."""
    rendered = state.data.get("set")
    if rendered is not None and name in rendered:
        return rendered[name]
    return node.fixed.get(name)
