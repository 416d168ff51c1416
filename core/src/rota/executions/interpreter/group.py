"""Children at the same time: `parallel`, with its `needs`, `concurrency` and `fail_fast`."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from rota.executions.interpreter import sequence
from rota.executions.interpreter.live import Live, mark_not_started
from rota.executions.models import Problem, State

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node


class Group(Live):
    """Starts each child as soon as what it needs has ended well, in list order, so many at a time.

    `pending` counts children that have not ended, `needs` what each waiting one still waits for. `ready` is a
    heap of the positions of those that wait for a place only, `active` has the started ones.
    """

    __slots__ = ("active", "children", "limit", "needs", "pending", "ready")

    def __init__(self, scope: Node, limit: int | None) -> None:
        super().__init__(scope)
        self.children = scope.blocks["body"]
        self.limit = limit if limit is not None else len(self.children)
        self.pending = 0
        self.needs: dict[int, int] = {}
        self.ready: list[int] = []
        self.active: set[int] = set()

    def count(self, frame: Frame) -> None:
        """Count the children from their states: those ended, started, and still to start."""
        ended: list[Node] = []
        for child in self.children:
            state = frame.states.get(child.id)
            if state is not None and state.state.ended:
                ended.append(child)
                self.recount(frame, child, state)
                continue
            self.pending += 1
            if state is not None and state.state is not State.CREATED:
                self.active.add(child.position)
            else:
                self.needs[child.position] = child.needs
        for child in ended:
            if frame.states[child.id].state.well:
                for dependent in child.dependents:
                    if dependent.position in self.needs:
                        self.needs[dependent.position] -= 1
        self.ready = [position for position, count in self.needs.items() if not count]
        heapify(self.ready)
        self.needs = {position: count for position, count in self.needs.items() if count}
        self.stopping = self.stopping or (self.scope.fail_fast and self.rank > 1)

    def go(self, frame: Frame) -> None:
        """Start what can start, or end the list."""
        if not self.pending:
            frame.work.append((frame.block_done, self.scope, None))
        elif self.ready and len(self.active) < self.limit and not self.stopping:
            frame.work.append((_next, self.scope, self))

    def child_ended(self, frame: Frame, child: Node, outcome: State, problem: Problem | None) -> None:
        self.active.discard(child.position)
        self.pending -= 1
        if outcome is not State.SUCCESS:
            self.note(frame, child, outcome, problem)
        if outcome.well:
            for dependent in child.dependents:
                self._satisfied(dependent.position)
        elif not self.stopping:
            if self.scope.fail_fast:
                self._halt(frame)
            else:
                self._doom(frame, child)
        self.go(frame)

    def stop(self, frame: Frame, reason: str) -> None:
        self._halt(frame, withdraw=False)
        for position in sorted(self.active, reverse=True):
            frame.work.append((frame.cancel, self.children[position], reason))
        if not self.pending:
            frame.work.append((frame.block_done, self.scope, None))

    def _satisfied(self, position: int) -> None:
        count = self.needs.get(position)
        if count is None:
            return
        if count > 1:
            self.needs[position] = count - 1
        else:
            del self.needs[position]
            heappush(self.ready, position)

    def _halt(self, frame: Frame, *, withdraw: bool = True) -> None:
        """Start nothing more; take back what no worker has yet."""
        self.stopping = True
        for position in sorted([*self.ready, *self.needs]):
            self._give_up(frame, position)
        self.ready.clear()
        self.needs.clear()
        if withdraw:
            for position in sorted(self.active, reverse=True):
                frame.work.append((frame.withdraw, self.children[position], None))

    def _doom(self, frame: Frame, child: Node) -> None:
        """Give up whatever needs `child`, and what needs that."""
        todo = list(child.dependents)
        while todo:
            dependent = todo.pop()
            if self.needs.pop(dependent.position, None) is not None:
                self._give_up(frame, dependent.position)
                todo.extend(dependent.dependents)

    def _give_up(self, frame: Frame, position: int) -> None:
        self.pending -= 1
        self.left = True
        mark_not_started(frame, self.children[position])


def _next(frame: Frame, scope: Node, group: Group) -> None:
    """Start one child, and see to the next after whatever follows from that."""
    if frame.lives.get(scope.id) is not group or group.stopping:
        return
    if group.ready and len(group.active) < group.limit:
        position = heappop(group.ready)
        group.active.add(position)
        frame.work.append((_next, scope, group))
        frame.work.append((frame.begin, group.children[position], None))


def put_back(frame: Frame, scope: Node) -> None:
    """Put back the children that did not fully succeed; whatever needs one of them is as good as new."""
    todo = [child for child in scope.blocks["body"] if sequence.unfinished(frame, child)]
    found = {child.id for child in todo}
    for child in todo:
        sequence.put_back(frame, child)
    while todo:
        for dependent in todo.pop().dependents:
            if dependent.id not in found:
                found.add(dependent.id)
                sequence.reset(frame, dependent)
                todo.append(dependent)
