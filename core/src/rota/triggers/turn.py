"""One turn of the evaluator: what has been found out so far, to be written in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rota.flows.models import Flow
from rota.flows.triggers import TriggerKeys
from rota.store import Connection, triggers
from rota.store.triggers import STANDING
from rota.triggers.firing import Firing, Made, Row, Start

logger = logging.getLogger("rota.triggers")
NEVER = 253_402_300_799.0
"""When a trigger is next looked at that nothing but an event concerns: the end of the year 9999."""

Key = tuple[str, str, str]


def key_of(row: Row) -> Key:
    """Return the name of a trigger: namespace, flow, trigger."""
    return row["namespace"], row["flow"], row["trigger"]


@dataclass
class Turn:
    """What is to be written, and done after that. Nothing of it counts before `write` is on disk."""

    firing: Firing
    now: float
    made: list[Made] = field(default_factory=list)
    writes: list[Callable[[Connection], object]] = field(default_factory=list)
    after: list[Callable[[], object]] = field(default_factory=list)
    new: set[str] = field(default_factory=set)
    """The executions that were made, once the turn has been written."""
    _seen: list[Made] = field(default_factory=list)
    _standing: dict[Key, Row] = field(default_factory=dict)

    def start(self, starts: Sequence[Start], flow: Flow, trigger: TriggerKeys) -> list[Made]:
        """Make executions of what one trigger saw, and note how that went."""
        found = [self.firing.make(start, flow, trigger) for start in starts]
        self.made += found
        self._seen += found
        for one in found:
            if one.error:
                self.failed(one.start.trigger, one.error)
        if found and not any(one.error for one in found):
            self.worked(starts[0].trigger)
        return found

    def move(self, row: Row, **changes: Any) -> None:
        """Note where a trigger stands from now on: some of the columns `STANDING`."""
        standing = self._standing.setdefault(key_of(row), {name: row[name] for name in (*_NAMES, *STANDING)})
        standing.update(changes, updated_at=self.now)
        row.update(changes)  # whoever keeps the row sees it, and drops it if the turn is not written

    def failed(self, row: Row, message: str) -> None:
        """Note that a trigger failed."""
        self.move(row, failures=row["failures"] + 1, last_error=message)
        logger.warning("trigger `%s` of %s/%s: %s", row["trigger"], row["namespace"], row["flow"], message)

    def worked(self, row: Row) -> None:
        """Note that a trigger worked."""
        if row["failures"] or row["last_error"]:
            self.move(row, failures=0, last_error=None)

    def drop(self, made: Sequence[Made]) -> None:
        """Write nothing of what was made: its trigger is another by now."""
        gone = set(map(id, made))
        self.made = [one for one in self.made if id(one) not in gone]

    def __bool__(self) -> bool:
        return bool(self._standing or self.made or self.writes)

    def write(self, conn: Connection) -> None:
        """Write everything, in the transaction of `conn`."""
        for write in self.writes:
            write(conn)
        self.new = self.firing.write(conn, self.made, self.now)
        for one in self._seen:
            # One that was seen before made nothing: what it started then is shown, if it was the last.
            if one.execution is not None and one.execution["id"] in self.new:
                self.move(one.start.trigger, last_at=one.start.date, execution_id=one.execution["id"])
        triggers.move(conn, list(self._standing.values()))


_NAMES = ("namespace", "flow", "trigger", "fingerprint")
