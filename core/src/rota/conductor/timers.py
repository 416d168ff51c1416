"""The timers of one conductor: a heap over rows, in absolute time."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

Address = tuple[str, str, str, str]
"""Execution, path of the frame, node, name."""


class Timers:
    """Wakes for each address once, at the last time it was set to."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, Address]] = []
        self._due: dict[Address, float] = {}
        self._paused: dict[Address, float] = {}

    def set(self, address: Address, due: float) -> None:
        """Have `address` come out of `pop_due` at `due`, in seconds since 1970, and at no other time."""
        self._due[address] = due
        self._paused.pop(address, None)
        heappush(self._heap, (due, address))
        if len(self._heap) > 64 + 4 * len(self._due):
            self._heap = [(due, address) for address, due in self._due.items()]
            heapify(self._heap)

    def clear(self, address: Address) -> bool:
        """Forget `address`; return whether it was known."""
        return (self._due.pop(address, None) is not None) | (self._paused.pop(address, None) is not None)

    def pause(self, address: Address, now: float) -> float | None:
        """Stop the clock of `address` and return how many seconds it has left, or None if it was not running."""
        due = self._due.pop(address, None)
        if due is None:
            return None
        self._paused[address] = max(0.0, due - now)
        return self._paused[address]

    def keep_paused(self, address: Address, left: float) -> None:
        """Take over a stopped clock with `left` seconds."""
        self._paused[address] = left

    def resume(self, address: Address, now: float) -> float | None:
        """Let a stopped clock go on, and return when it is due, or None if it was not stopped."""
        left = self._paused.pop(address, None)
        if left is None:
            return None
        self.set(address, now + left)
        return now + left

    def __bool__(self) -> bool:
        """Whether any is set."""
        return bool(self._due or self._paused)

    def next_due(self) -> float | None:
        """Return the time of the earliest timer, or None."""
        while self._heap:
            due, address = self._heap[0]
            if self._due.get(address) == due:
                return due
            heappop(self._heap)
        return None

    def pop_due(self, now: float) -> list[Address]:
        """Take out all that are due at `now`, the earliest first."""
        found = []
        while (due := self.next_due()) is not None and due <= now:
            address = heappop(self._heap)[1]
            del self._due[address]
            found.append(address)
        return found

    def forget(self, execution_id: str) -> None:
        """Forget all timers of an execution."""
        for known in (self._due, self._paused):
            for address in [address for address in known if address[0] == execution_id]:
                del known[address]
