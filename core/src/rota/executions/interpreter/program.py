"""A flow as tables: made once per revision, read by every frame of every execution of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rota.executions.interpreter.expressions import Stages, stages_of
from rota.executions.interpreter.values import RetryPlan
from rota.executions.models import LANGUAGE_VERSION, Stage
from rota.flows.models import AnyStep, Fleet, Flow, Foreach, If, Parallel, Repeat, Scope, Sequential, Step, Switch

ROOT = ""
"""The id of the node that is the frame as a whole, and the name of the flow's own frame."""
ITERATED = frozenset({"foreach", "fleet", "repeat"})
"""The kinds whose tasks run in frames of their own."""


class Node:
    """A task or scope of a frame: what is known of it before anything runs.

    `kind` is the control type, `task` for a plugin's, `flow` or `iteration` for a frame as a whole.
    `step` is its model (None for an iteration as a whole). `blocks` are lists of children by name: `body`,
    `then`, `else`, `default`, `case:<text>`, `errors`, `finally`. `urgent` says that it belongs to an
    `errors` or a `finally`. `asks_when`: a worker evaluates its `when` before it runs it.
    """

    __slots__ = (
        "allow_failure", "asks_when", "blocks", "dependents", "direct", "errors", "fail_fast", "finally_", "fixed",
        "holds_lock", "id", "kind", "locks_items", "needs", "on_lost", "parent", "position", "recover",
        "restarts_all", "retry", "scope", "skipped", "stages", "step", "urgent",
    )  # fmt: skip

    def __init__(self, kind: str, step: Step | Flow | None, parent: Node | None, *, id: str, urgent: bool) -> None:
        self.id = id
        self.kind = kind
        self.step = step
        self.parent = parent
        self.urgent = urgent
        self.position = 0
        self.blocks: dict[str, tuple[Node, ...]] = {}
        self.errors: tuple[Node, ...] = ()
        self.finally_: tuple[Node, ...] = ()
        self.needs = 0
        self.dependents: tuple[Node, ...] = ()
        self.stages: Stages = stages_of(kind, step)
        self.fixed: dict[str, Any] = self.stages.fixed
        self.retry: RetryPlan | None = self.stages.retry
        task = step if isinstance(step, Step) and kind != "iteration" else None
        self.scope = kind in ("flow", "iteration") or (task is not None and task.scope)
        self.allow_failure = task is not None and task.allow_failure
        self.on_lost = task.on_lost if task else None
        self.skipped = task is not None and (task.disabled or task.when is False)
        self.recover = isinstance(task, Scope) and task.recover
        self.restarts_all = isinstance(task, Scope) and task.restart == "all"
        self.fail_fast = isinstance(step, Parallel) and step.fail_fast
        locked = task is not None and task.lock is not None
        self.locks_items = locked and kind in ("foreach", "fleet")
        self.holds_lock = locked and not self.locks_items
        self.asks_when = kind == "task" and task is not None and isinstance(task.when, str) and not self.stages.enter
        self.direct = kind == "task" and not (self.skipped or self.stages.enter or self.holds_lock)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id!r}>"

    def expressions(self, stage: Stage) -> dict[str, Any]:
        """Return what must be rendered for `stage`, by name; nothing if no event is needed.

        A value of type `Condition` is an expression that must give a boolean, one of type `Expr` an expression
        whose braces are optional; any other is rendered as templates are, lists and mappings throughout. In
        stage `items`, `items` gives the list, `select`, `key` and `lock` are rendered once for each item; in
        stage `end`, `collect` maps columns to expressions.
        """
        return self.stages.of(stage)

    def children(self) -> Iterator[Node]:
        """All direct children in this frame, block by block."""
        for block in self.blocks.values():
            yield from block


@dataclass(frozen=True, slots=True)
class FrameProgram:
    """The nodes of one frame by id; `name` is the id of the iteration scope it belongs to, or ""."""

    name: str
    nodes: dict[str, Node]

    @property
    def root(self) -> Node:
        return self.nodes[ROOT]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled flow: its frames by name, and the version of the language they were made for."""

    frames: dict[str, FrameProgram]
    language: int = LANGUAGE_VERSION


def compile_flow(flow: Flow) -> Program:
    """Return the tables of `flow`. Raises ValueError where an id is there twice or `needs` names no sibling."""
    compiler = _Compiler()
    compiler.frame(ROOT, Node("flow", flow, None, id=ROOT, urgent=False), {"body": flow.tasks, **_ends(flow)})
    while compiler.todo:
        node, names = compiler.todo.pop()
        compiler.fill(node, names)
    return Program(compiler.frames)


class _Compiler:
    """Goes through the tree with a list of what is left, so that no depth is too deep."""

    def __init__(self) -> None:
        self.frames: dict[str, FrameProgram] = {}
        self.todo: list[tuple[Node, FrameProgram]] = []
        self.ids: set[str] = set()

    def frame(self, name: str, root: Node, blocks: dict[str, list[AnyStep]]) -> None:
        program = self.frames[name] = FrameProgram(name, {ROOT: root})
        self.blocks(root, program, blocks)

    def fill(self, node: Node, program: FrameProgram) -> None:
        step = node.step
        if not isinstance(step, Scope):
            return
        if isinstance(step, (Foreach, Fleet, Repeat)):
            root = Node("iteration", step, None, id=ROOT, urgent=node.urgent)
            self.frame(node.id, root, {"body": step.tasks})
            self.blocks(node, program, _ends(step))
        else:
            self.blocks(node, program, {**_lists(step), **_ends(step)})

    def blocks(self, node: Node, program: FrameProgram, lists: dict[str, list[AnyStep]]) -> None:
        for name, steps in lists.items():
            urgent = node.urgent or name in ("errors", "finally")
            node.blocks[name] = tuple(self.child(step, node, program, at, urgent) for at, step in enumerate(steps))
        node.errors = node.blocks.pop("errors", ())
        node.finally_ = node.blocks.pop("finally", ())
        if node.kind == "parallel":
            _link(node.blocks["body"])

    def child(self, step: Step, parent: Node, program: FrameProgram, position: int, urgent: bool) -> Node:
        if step.id in self.ids:
            raise ValueError(f"the id `{step.id}` is there twice")
        self.ids.add(step.id)
        kind = "task" if type(step).__name__ == "TaskStep" else step.type
        node = Node(kind, step, parent, id=step.id, urgent=urgent)
        node.position = position
        program.nodes[step.id] = node
        self.todo.append((node, program))
        return node


def _ends(step: Scope | Flow) -> dict[str, list[AnyStep]]:
    return {"errors": step.errors, "finally": step.finally_}


def _lists(step: Scope) -> dict[str, list[AnyStep]]:
    if isinstance(step, (Sequential, Parallel)):
        return {"body": step.tasks}
    if isinstance(step, If):
        return {"then": step.then, "else": step.else_}
    assert isinstance(step, Switch)
    cases = {f"case:{text}": steps for text, steps in step.cases.items()}
    return cases if step.default is None else {**cases, "default": step.default}


def _link(children: Sequence[Node]) -> None:
    """Turn the `needs` of the children of a `parallel` into counters and lists of dependents."""
    siblings = {child.id: child for child in children}
    dependents: dict[str, list[Node]] = {}
    for child in children:
        assert isinstance(child.step, Step)
        needs = set(child.step.needs or ())
        child.needs = len(needs)
        for need in needs:
            if need not in siblings:
                raise ValueError(f"`{child.id}` needs `{need}`, which is not beside it")
            dependents.setdefault(need, []).append(child)
    for need, nodes in dependents.items():
        siblings[need].dependents = tuple(nodes)
