"""Tasks that ignore their cancellation: given up, so that everything else goes on; never lost sight of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.conductor.jobs import Attempt
from rota.conductor.live import Live, LiveFrame
from rota.executions.models import Ended, Problem, State
from rota.executions.worker import Outcome

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor


class Abandoned:
    """The threads of one conductor that were given up and still run."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._count = 0

    @property
    def too_many(self) -> bool:
        """Whether there are so many that no more work is taken."""
        return self._count >= self._conductor.resources.settings.max_abandoned

    def abandon(self, frame: LiveFrame, node: str) -> None:
        """Give up a task that was told to end and has not."""
        own = self._conductor
        attempt = own.driver.jobs.get((frame, node))
        if not isinstance(attempt, Attempt) or attempt.assignment is None or attempt not in own.driver.running:
            return
        own.driver.batch.of = frame.live.family
        reason = attempt.assignment.stop_reason or "cancel"
        state = State.CANCELLED if reason == "cancel" else State.FAILED if reason == "timeout" else State.LOST
        message = f"it ignored its {reason} and was given up; its thread still runs"
        problem = Problem(reason, message, node, frame.view.key or "", attempt.number)
        self.give_up(attempt, Outcome(Ended(node, attempt.number, state, problem)))
        if self.too_many:
            own.ownership.report(f"{self._count} tasks ignore their cancellation: no more work is taken")

    def give_up(self, attempt: Attempt, outcome: Outcome) -> None:
        """Let an attempt have ended: its thread is replaced, its late result refused, its locks and place stay held."""
        attempt.abandoned = True
        attempt.frame.live.abandoned += 1
        self._count += 1
        self._conductor.workers.replace()
        self._conductor.driver.attempt_ended(attempt, outcome)

    def returned(self, attempt: Attempt) -> None:
        """Take in that a thread that was given up has ended after all; what it brings is refused."""
        own, before = self._conductor, self.too_many
        self._count -= 1
        self.thread_ended(attempt.frame.live)
        if before and not self.too_many:
            own.ownership.look_again()
            own.ownership.report("enough of the tasks that ignored their cancellation have ended: work is taken again")

    def thread_ended(self, live: Live) -> None:
        """Do what was put off until the threads of an execution have ended."""
        live.abandoned -= 1
        if not live.abandoned:
            self._conductor.driver.batch.of = live.family
            deferred, live.deferred = live.deferred, []
            for do in deferred:
                do()
