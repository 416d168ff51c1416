"""What limits the way over a list: sizes of batches, how many at a time, how many failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rota.executions.interpreter.values import count, exceeds, part, seconds, share
from rota.executions.models import Problem
from rota.flows.models import Fleet

if TYPE_CHECKING:
    from rota.executions.interpreter.program import Node

LEAST = {"canary": 0, "batch": 1, "max_parallel": 1, "max_failures": 0}


@dataclass(slots=True)
class Limits:
    """Counts of targets out of `total`; `max_failures` may be a percentage such as `10%`."""

    total: int
    canary: int
    batch: int
    max_parallel: int
    max_failures: int | str
    wait: float
    lock_wait: float | None
    approve: str | None
    on_breach: str

    def breached(self, failures: int) -> bool:
        """Whether so many failures are beyond the limit."""
        return exceeds(failures, self.max_failures, self.total)


def rendered(values: dict[str, Any]) -> dict[str, Any]:
    """Return the rendered limits among the answers to stage `items`, as they are kept. Raises BadValue."""
    kept: dict[str, Any] = {
        name: share(values[name], name, least=least) for name, least in LEAST.items() if name in values
    }
    kept.update({name: seconds(values[name], name) for name in ("wait", "lock_wait") if name in values})
    return kept


def limits_of(node: Node, total: int, values: dict[str, Any]) -> Limits:
    """Return the limits of `node` for a list of `total`; `values` replaces what the flow says."""
    known = {**node.fixed, **values}
    rollout = node.step.rollout if isinstance(node.step, Fleet) else None
    batch = known.get("batch")
    return Limits(
        total=total,
        canary=min(total, part(known.get("canary", 0), total)),
        batch=part(batch, total) if batch else total,
        max_parallel=part(known.get("max_parallel", 1), total),
        max_failures=known.get("max_failures", 0),
        wait=known.get("wait", 0.0),
        lock_wait=known.get("lock_wait"),
        approve=rollout.approve.after if rollout and rollout.approve else None,
        on_breach=rollout.on_breach if rollout else "drain",
    )


def unexpected(node: Node, total: int, values: dict[str, Any]) -> Problem | None:
    """Return what is wrong with a list of `total`, by `expect`. Raises BadValue."""
    known = {**node.fixed, **values}
    for name, wrong in (("expect_min", total.__lt__), ("expect_max", total.__gt__)):
        if known.get(name) is None:
            continue
        bound = count(known[name], name)
        if wrong(bound):
            words = "at least" if name == "expect_min" else "at most"
            return Problem("expect", f"`{node.id}` has {total} targets, expected {words} {bound}", node.id)
    return None
