"""The iterations of a `repeat`, one after the other until a condition holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rota.executions.interpreter import scopes
from rota.executions.interpreter.endings import hold
from rota.executions.interpreter.live import RANK, Many, first_error
from rota.executions.interpreter.values import count, seconds
from rota.executions.models import (
    ClearTimer,
    Command,
    FrameEnded,
    Open,
    Problem,
    SetTimer,
    State,
    StopFrame,
    TimerName,
)

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node


class Loop(Many):
    """`index` is the iteration under way or just ended, `first` the one that this round began with."""

    __slots__ = ("every", "first", "held", "index", "is_open", "longest", "most", "restarts")

    def __init__(self, scope: Node) -> None:
        super().__init__(scope)
        self.index = self.first = 0
        self.is_open = self.held = self.restarts = False
        self.every = 0.0
        self.most: int | None = None
        self.longest: float | None = None

    def open(self, frame: Frame, values: dict[str, Any]) -> None:
        """Start with the first iteration, or where it left off. Raises BadValue."""
        known = {**self.scope.fixed, **values}
        self.every = seconds(known.get("every", 0), "every")
        most, longest = known.get("max_iterations"), known.get("max_duration")
        self.most = None if most is None else count(most, "max_iterations", least=1)
        self.longest = None if longest is None else seconds(longest, "max_duration")
        data = frame.state(self.scope).data
        failed = data.pop("left", False)
        if "on" in data and "index" in data:
            self.restarts = failed
            self.index = data["index"] if failed else data["index"] + 1
        self.first = self.index
        if self.longest is not None:
            frame.commands.append(SetTimer(self.scope.id, "duration", self.longest))
        self._open(frame)

    def _open(self, frame: Frame) -> None:
        self.is_open = True
        self.touch(frame)
        frame.begun = True
        frame.states[self.scope.id].data["run"] = frame.round
        frame.commands.append(self._command())

    def _command(self) -> Open:
        return Open(self.scope.id, self.index, restart=self.restarts)

    def frame_ended(self, frame: Frame, event: FrameEnded) -> None:
        if not self.is_open or event.index != self.index:
            return
        self.is_open = self.restarts = False
        self._hold(frame, waiting=False)
        self.touch(frame)
        outcome = event.state if event.state is not State.NOT_STARTED else State.CANCELLED
        self.rank = max(self.rank, RANK[outcome])
        if not outcome.well:
            self.left = True
            if RANK[outcome] == 3 and event.problem is not None:
                first_error(frame, self.scope, event.problem)
        if event.exit:
            self._over(frame)
            scopes.leave(frame, event.state, event.problem)
        elif self.stopping or not outcome.well or event.until:
            self._over(frame)
        else:
            self._next(frame)

    def _next(self, frame: Frame) -> None:
        done = self.index + 1 - self.first
        if self.most is not None and done >= self.most:
            message = f"`until` of `{self.scope.id}` was not true after {done} iterations"
            first_error(frame, self.scope, Problem("repeat", message, self.scope.id))
            self.rank = 3
            self._over(frame)
        elif self.every > 0:
            frame.commands.append(SetTimer(self.scope.id, "every", self.every))
        else:
            self.index += 1
            self._open(frame)

    def timer(self, frame: Frame, name: TimerName) -> None:
        if self.over or self.stopping:
            return
        if name == "every" and not self.is_open:
            self.index += 1
            self._open(frame)
        elif name == "duration":
            message = f"`until` of `{self.scope.id}` was not true in time"
            first_error(frame, self.scope, Problem("timeout", message, self.scope.id))
            self.rank = 3
            self.stop(frame, "timeout")

    def stop(self, frame: Frame, reason: str) -> None:
        if self.over:
            return
        first = not self.stopping
        self.stopping = True
        self.touch(frame)
        if not self.is_open:
            if self.every > 0:
                frame.commands.append(ClearTimer(self.scope.id, "every"))
            self._over(frame)
        elif first:
            frame.commands.append(self._stop(reason))

    def _stop(self, reason: str) -> StopFrame:
        return StopFrame(self.scope.id, self.index, "timeout" if reason == "timeout" else "cancel")

    def _over(self, frame: Frame) -> None:
        if self.longest is not None:
            frame.commands.append(ClearTimer(self.scope.id, "duration"))
        self.finish(frame)

    # --- persons

    def resumed(self, frame: Frame, *, reject: bool) -> None:
        """Nobody is asked here."""

    def waits(self, frame: Frame, index: int, *, waiting: bool) -> None:
        if self.is_open and index == self.index:
            self._hold(frame, waiting=waiting)

    def _hold(self, frame: Frame, *, waiting: bool) -> None:
        if waiting != self.held:
            self.held = waiting
            self.touch(frame)
            hold(frame, self.scope, 1 if waiting else -1)

    def waiting_persons(self) -> int:
        return int(self.held)

    # --- rows

    def save(self, frame: Frame) -> None:
        state = {
            "first": self.first,
            "rank": self.rank,
            "open": self.is_open,
            "held": self.held,
            "restarts": self.restarts,
            "stopping": self.stopping,
            "every": self.every,
            "most": self.most,
            "longest": self.longest,
            "left": self.left,
        }
        data = frame.states[self.scope.id].data
        for name in state:
            data.pop(name, None)
        data["index"] = self.index
        data.update({name: value for name, value in state.items() if value})

    def load(self, frame: Frame) -> None:
        """Take over what was saved."""
        data = frame.states[self.scope.id].data
        self.index = data.get("index", 0)
        self.first = data.get("first", 0)
        self.rank = data.get("rank", 0)
        self.is_open = data.get("open", False)
        self.held = data.get("held", False)
        self.restarts = data.get("restarts", False)
        self.stopping = data.get("stopping", False)
        self.every = data.get("every", 0.0)
        self.most = data.get("most")
        self.longest = data.get("longest")
        self.left = data.get("left", False)

    def outstanding(self, *, restart: bool, stopped: bool) -> list[Command]:
        if not self.is_open:
            return []
        return [self._command(), self._stop("cancel")] if self.stopping else [self._command()]
