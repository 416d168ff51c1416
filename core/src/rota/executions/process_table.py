"""What the operating system knows of running processes, and how to end those that are ours.

The reaper runs on this module, so it imports only what starts in milliseconds: no `pathlib`, no `subprocess`.

A process is named by its pid and its start time, because pids are given out again. The start time is
an opaque word; on Linux it also holds the boot and the pid namespace, so that a record from before a
reboot, or from another container, never fits a stranger.
"""

# ruff: noqa: PTH115, PTH123, PTH208

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator

MARK = "ROTA_PROCESS"
"""The environment variable that every child program carries; its value is unique to one `ctx.process`."""

_PAUSE = 0.02
_STUCK = 10.0
_LINUX = sys.platform == "linux"
_MARK = MARK.encode() + b"="


class Entry:
    """One line of the process table; `ticks` is the start time without boot and namespace."""

    __slots__ = ("group", "pid", "ticks", "zombie")

    def __init__(self, pid: int, group: int, ticks: str, *, zombie: bool) -> None:
        self.pid = pid
        self.group = group
        self.ticks = ticks
        self.zombie = zombie


class Wanted:
    """What is to be ended: the group that `pid` leads, and all that carry `mark`.

    `ticks` guards the pid; a `pid` of 0 means that only the mark is known. With `mark` None any mark
    will do for the members of a group whose leader has gone. `spare` is a group that is left alone.
    """

    __slots__ = ("mark", "pid", "spare", "ticks")

    def __init__(self, pid: int = 0, ticks: str = "", mark: str | None = None, spare: int = 0) -> None:
        self.pid = pid
        self.ticks = ticks
        self.mark = mark
        self.spare = spare


def start_time(pid: int) -> str | None:
    """Return when process `pid` started, as a word to put on record, or None where there is no such process."""
    entry = _entry(pid)
    return None if entry is None else entry.ticks + _origin()


def process_alive(pid: int, start_time: str) -> bool:
    """Return whether process `pid` is the one that started at `start_time`, and has not ended."""
    ticks, dot, origin = start_time.partition(".")
    if dot + origin != _origin():
        return False
    entry = _entry(pid)
    return entry is not None and entry.ticks == ticks and not entry.zombie


def kill_groups(groups: Iterable[tuple[int, str]], grace: float = 5.0) -> bool:
    """Do what `kill_group` does for several groups at a time, each `(pid, start time)`."""
    wanted = []
    for pid, born in groups:
        ticks, dot, origin = born.partition(".")
        if dot + origin == _origin():
            leader = _entry(pid)
            mark = mark_of(pid) if leader is not None and leader.ticks == ticks else None
            wanted.append(Wanted(pid, ticks, mark))
    return bool(wanted) and end(wanted, grace)


def kill_group(pid: int, start_time: str, grace: float = 5.0) -> bool:
    """End the process group that `pid` leads or led, and what left it but carries its mark.

    Everything gets SIGTERM, and after `grace` seconds SIGKILL. Return whether there was anything to
    end. A process that merely got the same pid or group later is left alone.
    """
    return kill_groups([(pid, start_time)], grace)


def group_alive(group: int) -> bool:
    """Return whether a process group has a member that is more than a zombie."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return any(entry.group == group and not entry.zombie for entry in _entries())


def mark_of(pid: int) -> str | None:
    """Return the mark in the environment of process `pid`, None where it has none or may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            text = file.read()
    except OSError:
        return None
    # A variable that merely ends in our name does not count, hence the NUL before it.
    _, found, rest = (b"\0" + text).partition(b"\0" + _MARK)
    return rest.partition(b"\0")[0].decode(errors="replace") if found else None


def end(wanted: Iterable[Wanted], grace: float, *, patience: float = 0.0) -> bool:
    """End the processes in `wanted`: SIGTERM, and after `grace` seconds SIGKILL. Return whether there were any.

    It looks until nothing is left. For a mark without a pid it looks `patience` seconds unless it sees it
    before: a process that is between fork and exec does not carry its mark yet. What cannot be killed
    (hung in the kernel, another's) is left after a while.
    """
    hunt = _Hunt(wanted)
    begun = time.monotonic()
    quiet = 0
    told: set[tuple[int, str]] = set()
    while quiet < 2 or (hunt.unseen and time.monotonic() < begun + patience):
        late = time.monotonic() >= begun + grace
        found = hunt.members()
        quiet = 0 if found else quiet + 1
        for entry in found:
            if late or (entry.pid, entry.ticks) not in told:
                told.add((entry.pid, entry.ticks))
                _tell(entry, late=late)
        if time.monotonic() > begun + grace + patience + _STUCK:
            break
        if found or hunt.unseen:
            time.sleep(_PAUSE)
    return bool(told)


def end_marked(mark: str, grace: float, *, alone: bool) -> None:
    """Return when nothing carries `mark` any more; where nobody else ends it (`alone`), do that.

    What does not end within `grace` seconds and some more is left.
    """
    if alone:
        end([Wanted(mark=mark)], grace)
        return
    hunt, limit = _Hunt([Wanted(mark=mark)]), time.monotonic() + grace + _STUCK
    while hunt.members() and time.monotonic() < limit:
        time.sleep(_PAUSE)


class _Hunt:
    """Finds the members of what is wanted, again and again."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        wanted = list(wanted)
        self.unseen = {item.mark for item in wanted if item.mark and not item.pid and not item.spare}
        self._marks = {item.mark for item in wanted if item.mark}
        self._spared = {item.spare for item in wanted if item.spare}
        self._groups: set[int] = set()
        self._leaderless: set[int] = set()
        for item in wanted:
            leader = _entry(item.pid) if item.pid else None
            if leader is not None and leader.ticks == item.ticks:
                self._groups.add(item.pid)
            elif leader is None and item.pid and item.mark is None:
                self._leaderless.add(item.pid)

    def members(self) -> list[Entry]:
        own = os.getpid()
        return [entry for entry in _entries() if not entry.zombie and entry.pid != own and self._is_member(entry)]

    def _is_member(self, entry: Entry) -> bool:
        if entry.group in self._groups:
            return True
        if entry.group in self._spared:
            return False
        if not self._marks and entry.group not in self._leaderless:
            return False
        mark = mark_of(entry.pid)
        self.unseen.discard(mark)
        return mark is not None and (mark in self._marks or entry.group in self._leaderless)


def _tell(entry: Entry, *, late: bool) -> None:
    try:
        if late:
            _send(entry, signal.SIGKILL)
        else:
            _send(entry, signal.SIGTERM)
            # A stopped process does not see its SIGTERM before it goes on.
            _send(entry, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        pass


def _send(entry: Entry, number: int) -> None:
    """Send a signal to that very process: a pidfd cannot come to mean another one."""
    if not hasattr(os, "pidfd_open"):
        os.kill(entry.pid, number)
        return
    try:
        handle = os.pidfd_open(entry.pid)
    except ProcessLookupError:
        return
    except OSError:
        os.kill(entry.pid, number)
        return
    try:
        now = _entry(entry.pid)
        if now is not None and now.ticks == entry.ticks:
            signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def _entry(pid: int) -> Entry | None:
    if not _LINUX:
        return next((entry for entry in _ps("-p", str(pid)) if entry.pid == pid), None)
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            # The name in parentheses may hold anything, spaces and parentheses too.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Entry(pid, int(fields[2]), fields[19].decode(), zombie=fields[0] in b"ZX")


def _entries() -> Iterator[Entry]:
    if not _LINUX:
        yield from _ps("-A")
        return
    for name in os.listdir("/proc"):
        if name.isdigit() and (entry := _entry(int(name))) is not None:
            yield entry


def _ps(*which: str) -> Iterator[Entry]:
    """Read the table where there is no /proc. Marks are not seen there: what left its group is not found."""
    import subprocess

    columns = ["-o", "pid=", "-o", "pgid=", "-o", "stat=", "-o", "lstart="]
    answer = subprocess.run(["ps", *which, *columns], capture_output=True, text=True, check=False)
    for line in answer.stdout.splitlines():
        pid, group, state, *started = line.split()
        yield Entry(int(pid), int(group), "-".join(started), zombie=state.startswith("Z"))


_origins: list[str] = []


def _origin() -> str:
    """Say which boot and which pid namespace a start time counts in; empty where the system does not tell."""
    if not _origins:
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                boot = file.read(8)
            namespace = "".join(filter(str.isdigit, os.readlink("/proc/self/ns/pid")))
            _origins.append(f".{boot}.{namespace}")
        except OSError:
            _origins.append("")
    return _origins[0]
