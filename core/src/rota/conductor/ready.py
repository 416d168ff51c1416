"""What waits for a worker, in fair order: by namespace, then by execution, urgent work first."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

J = TypeVar("J", bound=Hashable)


class Rotation(Generic[J]):
    """Queues by name, served in turns."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[J] | Rotation[J]] = OrderedDict()

    def push(self, names: tuple[str, ...], job: J) -> None:
        """Put `job` at the end of the queue that `names` lead to."""
        first, rest = names[0], names[1:]
        queue = self._queues.get(first)
        if queue is None:
            queue = self._queues[first] = Rotation() if rest else deque()
        if isinstance(queue, Rotation):
            queue.push(rest, job)
        else:
            queue.append(job)

    def pop(self) -> J:
        """Take the next job: the queue it came from goes to the end of the turn. Raises KeyError when empty."""
        name, queue = self._queues.popitem(last=False)
        job = queue.pop() if isinstance(queue, Rotation) else queue.popleft()
        if queue:
            self._queues[name] = queue
        return job

    def __bool__(self) -> bool:
        return bool(self._queues)


class Ready(Generic[J]):
    """Jobs that no worker has yet. A job taken back is skipped when its turn comes."""

    def __init__(self) -> None:
        self._urgent: Rotation[J] = Rotation()
        self._normal: Rotation[J] = Rotation()
        self._waiting: set[J] = set()

    def push(self, namespace: str, execution: str, job: J, *, urgent: bool) -> None:
        """Let `job` wait for its turn."""
        self._waiting.add(job)
        (self._urgent if urgent else self._normal).push((namespace, execution), job)

    def take_back(self, job: J) -> bool:
        """Have `job` never handed out; return whether it was still waiting."""
        if job in self._waiting:
            self._waiting.discard(job)
            return True
        return False

    def pop(self) -> J | None:
        """Return the next job, or None when nothing waits."""
        for rotation in (self._urgent, self._normal):
            while rotation:
                job = rotation.pop()
                if job in self._waiting:
                    self._waiting.discard(job)
                    return job
        return None

    def __len__(self) -> int:
        return len(self._waiting)
