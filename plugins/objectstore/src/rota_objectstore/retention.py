"""What to keep of a series of backups: the last ones, and one of each day, week, month and year."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo


@dataclass(slots=True)
class Backup:
    """One backup: its name, when it was made (aware), and why it is kept."""

    name: str
    date: datetime
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Policy:
    """How many to keep of each kind, and for how long to keep all."""

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    def apply(self, backups: Iterable[Backup], now: datetime) -> list[Backup]:
        """Write into each backup why it is kept, and return all, the newest first; no reason, not kept.

        Of a day, week (Monday to Sunday), month or year the newest backup counts, and days without one do not: a series
        that has stopped loses nothing more.
        """
        newest_first = sorted(backups, key=lambda backup: (backup.date, backup.name), reverse=True)
        for number, backup in enumerate(newest_first[: self.last], start=1):
            backup.reasons.append(f"last {number}")
        for word, count, period in self._periods():
            self._keep(newest_first, word, count, period)
        if self.within is not None:
            for backup in newest_first:
                if backup.date > now - self.within:
                    backup.reasons.append("recent")
        return newest_first

    def _periods(self) -> list[tuple[str, int, Callable[[datetime], object]]]:
        return [
            ("daily", self.daily, lambda day: day.date()),
            ("weekly", self.weekly, lambda day: day.isocalendar()[:2]),
            ("monthly", self.monthly, lambda day: (day.year, day.month)),
            ("yearly", self.yearly, lambda day: day.year),
        ]

    def _keep(
        self, newest_first: Sequence[Backup], word: str, count: int, period: Callable[[datetime], object]
    ) -> None:
        seen: set[object] = set()
        for backup in newest_first:
            this = period(backup.date.astimezone(self.timezone))
            if this not in seen and len(seen) < count:
                seen.add(this)
                backup.reasons.append(f"{word} {len(seen)}")


K = TypeVar("K")
V = TypeVar("V")


def grouped(values: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    """Return the values by key, in order."""
    groups: dict[K, list[V]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups
