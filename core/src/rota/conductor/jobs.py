"""What a worker is given: an attempt of a task, or expressions to render."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from rota.errors import RotaError
from rota.executions.evaluation import evaluate
from rota.executions.iterating import freeze
from rota.executions.models import Evaluated, Problem, Stage
from rota.executions.names import error_names, names_for
from rota.executions.worker import Assignment, problem_of

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

    def run(self) -> tuple[Evaluated, list[dict[str, Any]] | None]:
        """Render on a worker; return the event, and the rows of the list where it is one. It never raises."""
        try:
            return self._evaluated()
        except Exception as error:
            view = self.frame.view
            problem = problem_of(error, "", view.key or "", 0, self.frame.live.view)
            return Evaluated(self.node, self.stage, problem=_here(problem, self.frame, self.node, error)), None

    def _evaluated(self) -> tuple[Evaluated, list[dict[str, Any]] | None]:
        frame = self.frame
        state = frame.frame.states.get(self.node)
        names = names_for(frame.live.view, frame.view, None, error=error_names(state))
        if self.stage != "items":
            return Evaluated(self.node, self.stage, evaluate(self.sources, names, lenient=self.lenient)), None
        kind = frame.program.nodes[self.node].kind
        rows = freeze(kind, self.sources, names)
        limits = {name: source for name, source in self.sources.items() if name not in ITEM_SOURCES}
        return Evaluated(self.node, "items", {"count": len(rows), **evaluate(limits, names)}), rows


def _here(problem: Problem, frame: LiveFrame, node: str, error: BaseException) -> Problem:
    path = f"{frame.path}/{node}" if frame.path and node else frame.path or node
    retryable = problem.retryable and isinstance(error, RotaError)
    return Problem(problem.type, problem.message, path, problem.target, retryable=retryable)


Job: TypeAlias = Attempt | Evaluation
