"""What waits for a worker, in fair order: by namespace, then by execution, urgent work first."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

J = TypeVar("J", bound=Hashable)


class Rotation(Generic[J]):
    """Queues by namespace and execution, served in turns at both levels."""

    def __init__(self) -> None:
        self._namespaces: deque[str] = deque()
        self._queues: dict[str, tuple[deque[str], dict[str, deque[J]]]] = {}
        """By namespace: its executions in the order of their turns, and the queue of each."""

    def push(self, namespace: str, execution: str, job: J) -> None:
        """Put `job` at the end of the queue of its execution."""
        found = self._queues.get(namespace)
        if found is None:
            found = self._queues[namespace] = (deque(), {})
            self._namespaces.append(namespace)
        executions, queues = found
        queue = queues.get(execution)
        if queue is None:
            queues[execution] = deque((job,))
            executions.append(execution)
        else:
            queue.append(job)

    def pop(self) -> J | None:
        """Take the next job, or None: the queue it came from goes to the end of the turn."""
        if not self._namespaces:
            return None
        namespace = self._namespaces[0]
        executions, queues = self._queues[namespace]
        queue = queues[executions[0]]
        job = queue.popleft()
        if queue:
            executions.rotate(-1)
        else:
            del queues[executions.popleft()]
        if executions:
            self._namespaces.rotate(-1)
        else:
            del self._queues[self._namespaces.popleft()]
        return job

    def clear(self) -> None:
        """Forget what is left."""
        self._namespaces.clear()
        self._queues.clear()


class Ready(Generic[J]):
    """Jobs that no worker has yet. A job taken back is skipped when its turn comes."""

    def __init__(self) -> None:
        self._urgent: Rotation[J] = Rotation()
        self._normal: Rotation[J] = Rotation()
        self._waiting: set[J] = set()

    def push(self, namespace: str, execution: str, job: J, *, urgent: bool) -> None:
        """Let `job` wait for its turn."""
        self._waiting.add(job)
        (self._urgent if urgent else self._normal).push(namespace, execution, job)

    def take_back(self, job: J) -> bool:
        """Have `job` never handed out; return whether it was still waiting."""
        if job in self._waiting:
            self._waiting.discard(job)
            return True
        return False

    def pop(self) -> J | None:
        """Return the next job, or None when nothing waits."""
        waiting = self._waiting
        while waiting:
            job = self._urgent.pop() or self._normal.pop()
            assert job is not None
            if job in waiting:
                waiting.discard(job)
                return job
        self._urgent.clear()
        self._normal.clear()
        return None

    def __len__(self) -> int:
        return len(self._waiting)
