"""The list of a `foreach` or `fleet` before a run: its items, and the batches they go in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rota.errors import ExpressionError
from rota.executions.interpreter.limits import Limits, limits_of, rendered, unexpected
from rota.executions.interpreter.program import Node
from rota.executions.interpreter.values import BadValue
from rota.executions.iterating import freeze
from rota.server.planning.models import PlannedBatch, PlannedItems
from rota.server.planning.partial import Names, NotKnown, SecretUsed, exact

_OF_ITEMS = frozenset({"items", "select", "key", "lock"})
Rows = list[dict[str, Any]]


def plan_items(node: Node, names: Names) -> tuple[PlannedItems, Rows]:
    """Return what is known of the list of `node`, and its rows where they are known."""
    sources = node.expressions("items")
    try:
        rows = freeze(node.kind, sources, names)
        values = {name: exact(value, names) for name, value in sources.items() if name not in _OF_ITEMS}
        limits = limits_of(node, len(rows), rendered(values))
        wrong = unexpected(node, len(rows), values)
    except NotKnown as error:
        return PlannedItems(unknown=[error.message]), []
    except SecretUsed as error:
        return PlannedItems(problem=f"secret `{error.message}` cannot steer the flow"), []
    except (ExpressionError, BadValue) as error:
        return PlannedItems(problem=getattr(error, "message", str(error))), []
    keys = [row["key"] for row in rows]
    batches = list(batches_of(keys, limits)) if node.kind == "fleet" else [PlannedBatch(name="items", targets=keys)]
    items = PlannedItems(
        total=len(rows),
        batches=batches,
        max_parallel=limits.max_parallel,
        max_failures=limits.max_failures,
        problem=wrong.message if wrong else "",
    )
    return items, rows


def batches_of(keys: list[str], limits: Limits) -> Iterator[PlannedBatch]:
    """Yield the batches in which a fleet goes over `keys`: the canary, then the others."""
    start = limits.canary
    if start:
        yield PlannedBatch(name="canary", targets=keys[:start])
    number = 1
    while start < len(keys):
        yield PlannedBatch(name=f"batch {number}", targets=keys[start : start + max(limits.batch, 1)])
        start += max(limits.batch, 1)
        number += 1
