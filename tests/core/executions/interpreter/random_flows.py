"""Flows, and worlds for them, made up by hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from rota.executions.models import Problem
from tests.core.executions.interpreter.world import Outcome, Script

SCOPES = ("sequential", "parallel", "parallel", "if", "switch", "repeat", "foreach", "fleet")
LEAVES = ("task", "task", "task", "task", "task", "sleep", "pause", "subflow", "fail", "exit")


@dataclass
class Maker:
    """Makes one flow; ids count up, so that they say in which order the tasks stand."""

    random: Random
    budget: int
    number: int = 0
    script: Script = field(default_factory=Script)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def id(self) -> str:
        self.number += 1
        self.budget -= 1
        return f"t{self.number}"

    def flow(self) -> dict[str, Any]:
        flow: dict[str, Any] = {"tasks": self.steps(3, least=1)}
        if self.chance(30):
            flow["outputs"] = {"x": "{{ 1 }}"}
        if self.chance(10):
            flow["retry"] = {"attempts": 2, "delay": self.random.choice([0, 5])}
        return {**flow, **self.ends(2), **self.timeout()}

    def steps(self, depth: int, least: int = 0, most: int = 3) -> list[dict[str, Any]]:
        return [self.step(depth) for _ in range(self.random.randint(least, most)) if self.budget > 0]

    def step(self, depth: int) -> dict[str, Any]:
        scope = depth > 0 and self.chance(45)
        kind = self.random.choice(SCOPES if scope else LEAVES)
        if kind in ("exit", "fail") and self.chance(70):
            kind = "task"
        step: dict[str, Any] = {"id": self.id(), "type": "noop" if kind == "task" else kind}
        step.update(self.keys(step["id"], kind, depth))
        if scope:
            step.update(self.ends(depth - 1))
            step.update(self.timeout())
        maker = getattr(self, f"_{kind}", None)
        if maker:
            step.update(maker(step["id"], depth - 1))
        return step

    def keys(self, id: str, kind: str, depth: int) -> dict[str, Any]:
        keys: dict[str, Any] = {}
        if self.chance(15):
            keys["when"] = self.random.choice([True, False, "x"])
            self.answer(id)["when"] = self.chance(50)
        if self.chance(10):
            # Locks are taken from the outside in, so that nobody waits in a circle.
            keys["lock"] = self.random.choice([f"lock{depth}", f"lock{depth}", f"{{{{ {id} }}}}"])
            if self.chance(10):
                problem = Problem("lock", "no", retryable=self.chance(50))
                self.script.refused[keys["lock"]] = problem
        if self.chance(20):
            keys["retry"] = {"attempts": self.random.choice([2, 3, "{{ x }}"]), "delay": self.random.choice([0, 10])}
            self.answer(id)["retry"] = {"attempts": 2}
        if self.chance(15):
            keys["allow_failure"] = True
        if self.chance(5):
            keys["disabled"] = True
        if self.chance(20):
            keys["on_lost"] = self.random.choice(["retry", "fail"])
        if self.chance(4):
            self.script.broken[id] = Problem("template", "no", retryable=self.chance(50))
        if kind == "task":
            self.script.outcomes[id] = [self.outcome() for _ in range(3)]
        elif kind == "subflow":
            wanted = ["success", "success", "failed", "cancelled", "warning"]
            self.script.outcomes[id] = [self.random.choice(wanted) for _ in range(3)]
        return keys

    def answer(self, id: str) -> dict[str, Any]:
        return self.script.answers.setdefault(id, {})

    def outcome(self) -> Outcome:
        if self.chance(65):
            return "success"
        final = Problem("Final", "no", retryable=False)
        outcomes: list[Outcome] = ["failed", "failed", "warning", "skipped", "lost", "rerun", "cancelled", final]
        return self.random.choice(outcomes)

    def ends(self, depth: int) -> dict[str, Any]:
        ends: dict[str, Any] = {}
        for name in ("errors", "finally"):
            if self.chance(25):
                ends[name] = self.steps(min(depth, 1), most=2)
        return ends

    def timeout(self) -> dict[str, Any]:
        return {"timeout": 50} if self.chance(15) else {}

    def scope_keys(self) -> dict[str, Any]:
        keys: dict[str, Any] = {}
        if self.chance(10):
            keys["recover"] = True
        if self.chance(10):
            keys["restart"] = "all"
        return keys

    def _sequential(self, id: str, depth: int) -> dict[str, Any]:
        return {"tasks": self.steps(depth), **self.scope_keys()}

    def _parallel(self, id: str, depth: int) -> dict[str, Any]:
        tasks = self.steps(depth, most=5)
        for at, task in enumerate(tasks):
            if at and self.chance(40):
                needs = self.random.sample([one["id"] for one in tasks[:at]], self.random.randint(1, min(at, 2)))
                task["needs"] = needs
        self.random.shuffle(tasks)
        keys: dict[str, Any] = {"tasks": tasks, "fail_fast": self.chance(60), **self.scope_keys()}
        if self.chance(40):
            keys["concurrency"] = self.random.choice([1, 2, "{{ n }}"])
            self.answer(id)["concurrency"] = 2
        return keys

    def _if(self, id: str, depth: int) -> dict[str, Any]:
        self.answer(id)["condition"] = self.chance(60)
        condition = self.random.choice([True, False, "x"])
        return {"condition": condition, "then": self.steps(depth), "else": self.steps(depth), **self.scope_keys()}

    def _switch(self, id: str, depth: int) -> dict[str, Any]:
        self.answer(id)["value"] = self.random.choice(["a", "b", "c"])
        cases = {"a": self.steps(depth, most=2), "b": self.steps(depth, most=2)}
        switch = {"value": "{{ x }}", "cases": cases, **self.scope_keys()}
        return {**switch, "default": self.steps(depth, most=1)} if self.chance(70) else switch

    def _repeat(self, id: str, depth: int) -> dict[str, Any]:
        self.answer(id)["until"] = [self.chance(40) for _ in range(40)]
        keys: dict[str, Any] = {"tasks": self.steps(depth, most=2), "until": self.random.choice(["x", "x", False])}
        keys["max_iterations"] = 3
        if self.chance(30):
            keys.update(every=10, max_duration=100)
        return {**keys, **self.scope_keys()}

    def _foreach(self, id: str, depth: int) -> dict[str, Any]:
        keys = {"tasks": self.steps(depth, most=2), "items": "x", "concurrency": self.random.choice([1, 2])}
        self.answer(id)["count"] = self.random.randint(0, 4)
        if self.chance(30):
            keys["collect"] = {"x": "outputs.x"}
        return {**keys, "max_failures": self.random.choice([0, 0, 1, "50%"]), **self.scope_keys()}

    def _fleet(self, id: str, depth: int) -> dict[str, Any]:
        self.answer(id)["count"] = self.random.randint(0, 6)
        rollout: dict[str, Any] = {"max_failures": self.random.choice([0, 1, "20%", "{{ x }}"])}
        self.answer(id)["max_failures"] = "30%"
        for name, values in (("canary", [1, 2]), ("batch", [1, 2, "40%"]), ("max_parallel", [1, 2, "50%"])):
            if self.chance(50):
                rollout[name] = self.random.choice(values)
        rollout["wait"] = self.random.choice([0, 0, 5])
        rollout["on_breach"] = self.random.choice(["drain", "pause", "cancel"])
        if self.chance(30):
            rollout["approve"] = {"after": self.random.choice(["canary", "batch"])}
        return {"tasks": self.steps(depth, most=2), "targets": "x", "rollout": rollout, **self.scope_keys()}

    def _sleep(self, id: str, depth: int) -> dict[str, Any]:
        return {"duration": self.random.choice([0, 5, "{{ x }}"])} | self.duration(id)

    def duration(self, id: str) -> dict[str, Any]:
        self.answer(id)["duration"] = "3s"
        return {}

    def _pause(self, id: str, depth: int) -> dict[str, Any]:
        self.script.persons[id] = self.random.choice([(5.0, False), (5.0, True), (60.0, False)])
        if self.chance(50):
            return {"duration": 20, "on_timeout": self.random.choice(["continue", "fail", "cancel"])}
        return {}

    def _subflow(self, id: str, depth: int) -> dict[str, Any]:
        return {"flow": "other"} | self.timeout()

    def _exit(self, id: str, depth: int) -> dict[str, Any]:
        return {"state": self.random.choice(["success", "warning", "failed", "cancelled"])}


@st.composite
def made_up(draw: st.DrawFn, budget: int = 14) -> tuple[dict[str, Any], Script, Random]:
    """A flow, a script for its world, and what chooses the order of events."""
    random = draw(st.randoms(use_true_random=False))
    maker = Maker(Random(random.getrandbits(64)), draw(st.integers(1, budget)))
    flow = maker.flow()
    return flow, maker.script, Random(random.getrandbits(64))
