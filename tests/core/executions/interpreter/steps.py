"""Short ways to write flows in tests."""

from __future__ import annotations

from typing import Any

from rota.executions.models import Problem
from tests.core.executions.interpreter.world import Outcome, Script, World

Step = dict[str, Any]
FINAL = Problem("Final", "wrong password", retryable=False)


def task(id: str, **keys: Any) -> Step:
    return {"id": id, "type": "noop", **keys}


def tasks(ids: str) -> list[Step]:
    return [task(one) for one in ids.split()]


def step(type: str, id: str, **keys: Any) -> Step:
    return {"id": id, "type": type, **{name.rstrip("_"): value for name, value in keys.items()}}


def sequential(id: str, *steps: Step | str, **keys: Any) -> Step:
    return step("sequential", id, tasks=written(steps), **keys)


def parallel(id: str, *steps: Step | str, **keys: Any) -> Step:
    return step("parallel", id, tasks=written(steps), **keys)


def foreach(id: str, *steps: Step | str, **keys: Any) -> Step:
    return step("foreach", id, tasks=written(steps), **{"items": "xs", **keys})


def fleet(id: str, *steps: Step | str, **rollout: Any) -> Step:
    keys = {name: rollout.pop(name) for name in ("lock", "collect", "errors", "finally_", "expect", "retry", "timeout")
            if name in rollout}  # fmt: skip
    return step("fleet", id, tasks=written(steps), targets="xs", rollout=rollout, **keys)


def repeat(id: str, *steps: Step | str, **keys: Any) -> Step:
    return step("repeat", id, tasks=written(steps), **{"until": "x", "max_iterations": 5, **keys})


def written(steps: tuple[Step | str, ...]) -> list[Step]:
    return [one for given in steps for one in (tasks(given) if isinstance(given, str) else [given])]


def run(*steps: Step | str, script: Script | None = None, flow: dict[str, Any] | None = None, **outcomes: Any) -> World:
    """Run a flow of `steps`, each event tried on rebuilt frames too; `outcomes` go by task id."""
    return prepare(*steps, script=script, flow=flow, **outcomes).run()


def prepare(
    *steps: Step | str,
    script: Script | None = None,
    flow: dict[str, Any] | None = None,
    **outcomes: Outcome | list[Outcome],
) -> World:
    script = script or Script()
    script.outcomes.update(outcomes)
    return World({"tasks": written(steps), **(flow or {})}, script, rebuild=True)


def states(world: World, ids: str = "") -> str:
    """States as `a=success b=failed`, in the order of the ids, or all of them in that of their names."""
    found = world.states()
    wanted = ids.split() or sorted(found)
    return " ".join(f"{one}={found.get(one, '-')}" for one in wanted)
