"""The outputs that were written last, so that what comes next need not ask the store for them."""

from __future__ import annotations

from collections.abc import Iterable

from rota.executions.models import State
from rota.executions.values import SECRET
from rota.store.bulk import Line
from rota.store.task_runs import LINE

Address = tuple[str, str, str]
"""Execution, path of the frame, node."""

MOST = 4 << 20
"""How many characters are kept, an entry's own cost included."""
_ENTRY = 400
_LONGEST = 64 << 10
_STATE, _OUTPUT = LINE.index("state"), LINE.index("output")
_WELL = (State.SUCCESS.value, State.WARNING.value)


class RecentOutputs:
    """Outputs as JSON text, by address, just as they are in the store. Written by one thread, read by any."""

    def __init__(self) -> None:
        self._texts: dict[Address, str] = {}
        self._size = 0

    def get(self, address: Address) -> str | None:
        """Return the output of a task run that ended well, or None where the store has to be asked."""
        return self._texts.get(address)

    def take_in(self, lines: Iterable[Line]) -> None:
        """Take in the task runs of a transaction, once it is committed. Secrets are not kept: keys may change."""
        for line in lines:
            text = line[_OUTPUT]
            if self._texts:
                self._drop(line[:3])
            if text is not None and line[_STATE] in _WELL and len(text) <= _LONGEST and f'"{SECRET}' not in text:
                self._texts[line[:3]] = text
                self._size += len(text) + _ENTRY
        while self._size > MOST:
            self._drop(next(iter(self._texts)))

    def forget(self, execution_id: str) -> None:
        """Forget an execution: another process may have gone on with it."""
        for address in [address for address in self._texts if address[0] == execution_id]:
            self._drop(address)

    def _drop(self, address: Address) -> None:
        text = self._texts.pop(address, None)
        if text is not None:
            self._size -= len(text) + _ENTRY
