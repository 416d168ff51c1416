"""Sets of whole numbers kept as ranges, so that ten thousand iterations take a few bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """A sorted set of numbers >= 0; neighbours share a range."""

    __slots__ = ("_first", "_last", "_size")

    def __init__(self, pairs: Iterable[Iterable[int]] = ()) -> None:
        """Take `[[first, last], …]`, both included, in any order."""
        self._first: list[int] = []
        self._last: list[int] = []
        self._size = 0
        for first, last in sorted(tuple(pair) for pair in pairs):
            if self._last and first <= self._last[-1] + 1:
                self._size += max(0, last - self._last[-1])
                self._last[-1] = max(last, self._last[-1])
            elif first <= last:
                self._first.append(first)
                self._last.append(last)
                self._size += last - first + 1

    def __len__(self) -> int:
        return self._size

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]

    def __iter__(self) -> Iterator[int]:
        for first, last in zip(self._first, self._last, strict=True):
            yield from range(first, last + 1)

    def pairs(self) -> list[list[int]]:
        """Return `[[first, last], …]`, both included, in order: what the constructor takes."""
        return [[first, last] for first, last in zip(self._first, self._last, strict=True)]

    def add(self, number: int) -> None:
        """Put `number` in; nothing happens if it is in already."""
        at = bisect_right(self._first, number)
        joins_left = at > 0 and self._last[at - 1] >= number - 1
        if joins_left and self._last[at - 1] >= number:
            return
        joins_right = at < len(self._first) and self._first[at] == number + 1
        self._size += 1
        if joins_left and joins_right:
            self._last[at - 1] = self._last.pop(at)
            del self._first[at]
        elif joins_left:
            self._last[at - 1] = number
        elif joins_right:
            self._first[at] = number
        else:
            self._first.insert(at, number)
            self._last.insert(at, number)

    def discard(self, number: int) -> bool:
        """Take `number` out; return whether it was in."""
        at = bisect_right(self._first, number) - 1
        if at < 0 or number > self._last[at]:
            return False
        self._size -= 1
        first, last = self._first[at], self._last[at]
        if first == last:
            del self._first[at], self._last[at]
        elif number == first:
            self._first[at] += 1
        elif number == last:
            self._last[at] -= 1
        else:
            self._last[at] = number - 1
            self._first.insert(at + 1, number + 1)
            self._last.insert(at + 1, last)
        return True

    def pop(self) -> int:
        """Take out the smallest number and return it. Raises IndexError where there is none."""
        number = self._first[0]
        self.discard(number)
        return number

    def below(self, bound: int) -> int:
        """Return how many numbers are smaller than `bound`."""
        at = bisect_right(self._first, bound - 1)
        whole = sum(self._last[i] - self._first[i] + 1 for i in range(at - 1)) if at else 0
        return whole + (min(self._last[at - 1], bound - 1) - self._first[at - 1] + 1 if at else 0)

    def within(self, count: int) -> Ranges:
        """Return those smaller than `count`."""
        return Ranges([first, min(last, count - 1)] for first, last in self.pairs() if first < count)

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges(self.pairs() + other.pairs())

    def __sub__(self, other: Ranges) -> Ranges:
        rest = Ranges(self.pairs())
        if len(other) <= len(rest):
            for number in other:
                rest.discard(number)
            return rest
        return Ranges([number, number] for number in self if number not in other)
