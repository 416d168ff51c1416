"""The reaper: reads from the conductor what it runs, and ends that when the conductor has died.

It runs as a process of its own and imports only what starts in milliseconds. Its input is lines:

    + MARK             a program with this mark is about to start
    = MARK PID TICKS   it has become this process, which leads its group
    ~ MARK PID GRACE   end what carries the mark outside that group
    - MARK             it has ended
"""

from __future__ import annotations

import _thread
import os
import select
import sys
from collections.abc import Iterator, Sequence

from rota.executions.process_table import Wanted, end

_PATIENCE = 2.0
"""How many seconds a program that was announced but not registered has to appear: it is between fork and exec."""


def main(arguments: Sequence[str]) -> None:
    """Serve the conductor whose pid is the first argument; the second is the grace in seconds."""
    conductor, grace = int(arguments[0]), float(arguments[1])
    known: dict[str, Wanted] = {}
    for line in _lines(conductor):
        _note(known, line.split())
    everything = list(known.values())
    for wanted in everything:
        if wanted.spare:
            # What a sweep left to the conductor is nobody's now.
            wanted.pid, wanted.spare = wanted.spare, 0
    end(everything, grace, patience=_PATIENCE)
    # A sweep that is under way has its programs among the known: nothing is left for its thread.
    os._exit(0)


def _note(known: dict[str, Wanted], words: Sequence[str]) -> None:
    match words:
        case "+", mark:
            known[mark] = Wanted(mark=mark)
        case "=", mark, pid, ticks:
            known[mark] = Wanted(int(pid), ticks, mark)
        case "~", mark, pid, grace:
            known[mark + "~"] = Wanted(mark=mark, spare=int(pid))
            _thread.start_new_thread(_sweep, (known, mark, float(grace)))
        case "-", mark:
            known.pop(mark, None)


def _sweep(known: dict[str, Wanted], mark: str, grace: float) -> None:
    end([known[mark + "~"]], grace)
    known.pop(mark + "~", None)


def _lines(conductor: int) -> Iterator[str]:
    """Give what the conductor writes, until it closes the pipe or dies.

    Its death is watched as well: something that it forked may hold the pipe open after it.
    """
    poller = select.poll()
    poller.register(0, select.POLLIN)
    os.set_blocking(0, False)
    death = _watch(conductor, poller)
    rest = b""
    alive = True
    while True:
        # Death is looked at first: what was written before it is then in the pipe.
        alive = alive and all(descriptor != death for descriptor, _ in poller.poll(None if death >= 0 else 1000))
        alive = alive and (death >= 0 or os.getppid() == conductor)
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            if alive:
                continue
            return
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode()


def _watch(conductor: int, poller: select.poll) -> int:
    """Return a descriptor that becomes readable when the conductor ends, -1 where there is no such thing."""
    try:
        death = os.pidfd_open(conductor)
    except (AttributeError, OSError):
        return -1
    if os.getppid() != conductor:
        # It died before we looked, and its number may be another's by now.
        os.close(death)
        return -1
    poller.register(death, select.POLLIN)
    return death


if __name__ == "__main__":
    main(sys.argv[1:])
