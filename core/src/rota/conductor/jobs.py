"""What a worker is given: an attempt of a task, or expressions to render."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from rota.errors import RotaError
from rota.executions.evaluation import evaluate
from rota.executions.interpreter.program import Node
from rota.executions.iterating import freeze
from rota.executions.models import Evaluated, NodeState, Problem, Stage
from rota.executions.names import error_names, names_for
from rota.executions.run_context import RunContext
from rota.executions.worker import Assignment, problem_of
from rota.flows.templates import compile_value, secret_values

if TYPE_CHECKING:
    from rota.conductor.live import LiveFrame

ITEM_SOURCES = frozenset({"items", "select", "key", "lock"})


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt of a task; the assignment is there once it runs. `abandoned`: its result is refused."""

    frame: LiveFrame
    node: str
    number: int
    assignment: Assignment | None = None
    abandoned: bool = False
    pids: list[list[Any]] = field(default_factory=list)
    """`[pid, start time]` of the programs that it has started."""


@dataclass(slots=True, eq=False)
class Evaluation:
    """The expressions of one node for one stage."""

    frame: LiveFrame
    node: str
    stage: Stage
    sources: dict[str, Any]
    lenient: bool
    rendered: dict[str, Any] | None = None
    """What a subflow is started with; there may be secrets in it, so it is no event."""
    starts: bool = False
    """The subflow is waited for by now, and only what starts it is missing."""

    def run(self) -> tuple[Evaluated, list[dict[str, Any]] | None]:
        """Render on a worker; return the event, and the rows of the list where it is one. It never raises."""
        try:
            return self._evaluated()
        except BaseException as error:  # noqa: BLE001 - filters of plugins raise what they like; the thread must live on
            view = self.frame.view
            problem = problem_of(error, "", view.key or "", 0, self.frame.live.view)
            return Evaluated(self.node, self.stage, problem=_here(problem, self.frame, self.node, error)), None

    def _evaluated(self) -> tuple[Evaluated, list[dict[str, Any]] | None]:
        frame, view = self.frame, self.frame.live.view
        kind = frame.program.nodes[self.node].kind
        error = error_names(failed_scope(frame, self.node), frame.view)
        if kind == "subflow" and self.stage == "body":
            self.rendered = self._for_subflow(error)
            return Evaluated(self.node, self.stage), None
        names = names_for(view, frame.view, None, error=error)
        if self.stage != "items":
            values = evaluate(self.sources, names, view.host.seal, lenient=self.lenient)
            return Evaluated(self.node, self.stage, values), None
        rows = freeze(kind, self.sources, names)
        limits = {name: source for name, source in self.sources.items() if name not in ITEM_SOURCES}
        return Evaluated(self.node, "items", {"count": len(rows), **evaluate(limits, names, view.host.seal)}), rows

    def _for_subflow(self, error: dict[str, Any]) -> dict[str, Any]:
        """Render what a subflow is started with: its inputs may hold secrets."""
        frame, view = self.frame, self.frame.live.view

        def secret(name: str, **how: Any) -> Any:
            return view.secrets.get(name, RunContext(view, frame.view, self.node, 1), **how)

        names = names_for(view, frame.view, secret, error=error)
        rendered = {name: compile_value(source).render(names) for name, source in self.sources.items()}
        for value in secret_values(rendered):
            view.masker.add_all(value)
        return rendered


def failed_scope(frame: LiveFrame, node: str) -> NodeState | None:
    """Return the state of the scope whose `errors` (or `finally`) a node is part of, however deep, or None."""
    one: Node | None = frame.program.nodes[node]
    outer: LiveFrame | None = frame
    while outer is not None and one is not None:
        if not one.urgent:
            return None
        while one.parent is not None:
            if one in one.parent.errors or one in one.parent.finally_:
                return outer.frame.states.get(one.parent.id)
            one = one.parent
        one = outer.parent.program.nodes[outer.parent_node] if outer.parent is not None else None
        outer = outer.parent
    return None


def _here(problem: Problem, frame: LiveFrame, node: str, error: BaseException) -> Problem:
    path = f"{frame.path}/{node}" if frame.path and node else frame.path or node
    retryable = problem.retryable and isinstance(error, RotaError)
    return Problem(problem.type, problem.message, path, problem.target, retryable=retryable)


Job: TypeAlias = Attempt | Evaluation
