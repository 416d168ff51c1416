"""The looks of `rota doctor`: all at once, each with the same time to answer, so that what hangs holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue

from rota.errors import RotaError

OK, WARNING, ERROR = "ok", "warning", "error"
PATIENCE = 10.0
"""Seconds within which a look must have come to its end."""


@dataclass(frozen=True, slots=True)
class Check:
    """What came of one look: `state` is ok, warning or error, `hint` says what to do."""

    name: str
    state: str
    message: str
    hint: str = ""

    def as_record(self) -> dict[str, str]:
        """Return it as `rota doctor --json` prints it."""
        return asdict(self)


class Look:
    """One look, which runs on a thread of its own from the moment that it is made."""

    def __init__(self, name: str, find: Callable[[], Iterator[Check]], about: str = "") -> None:
        self._name = name
        self._find = find
        self._about = about
        self._found: SimpleQueue[Check | None] = SimpleQueue()
        self._until = time.monotonic() + PATIENCE
        threading.Thread(target=self._run, name=f"rota-doctor-{name}", daemon=True).start()

    def checks(self) -> Iterator[Check]:
        """Yield what it finds, as it finds it, and as an error what it raises, or that it does not come back."""
        try:
            while (check := self._found.get(timeout=max(0.0, self._until - time.monotonic()))) is not None:
                yield check
        except Empty:
            message = f"{self._about}there is no answer within {PATIENCE:g} s"
            yield Check(self._name, ERROR, message, "is it reachable from this machine?")

    def _run(self) -> None:
        try:
            for check in self._find():
                self._found.put(check)
        except RotaError as error:
            self._found.put(Check(self._name, ERROR, f"{self._about}{error.message}", error.hint))
        except Exception as error:  # noqa: BLE001 - the other looks go on
            self._found.put(Check(self._name, ERROR, f"{self._about}{type(error).__name__}: {error}"))
        self._found.put(None)
