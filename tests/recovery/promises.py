"""What the engine promises, checked from the ledger and from the rows when every execution has ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from rota.store import executions, locks, outbox, task_runs, timers
from rota.store.iterations import page
from rota.store.lost import OVER
from tests.recovery.bank import IDEMPOTENT
from tests.recovery.site import Site

Row = dict[str, Any]
OURS = "ledger."
ENDED = ("success", "warning", "failed", "cancelled")
OUTPUTS = {
    "chain": {"value": 5},
    "dag": {"value": 4},
    "each": {"rows": 200},
    "called": None,
    "paused": {"word": "yes"},
}
ATTEMPTS = {"flaky": 8, "shaky": 3, "sure": 2}
"""How often a task of `retry` may be started: its attempts, or twice after a loss with `on_lost: retry`."""


class Broken(AssertionError):
    """A promise was broken."""


def check(site: Site, flows: dict[str, str]) -> None:
    """Check everything about the executions `{id: flow}` and those that they started. Raises Broken."""
    found = list(faults(site, flows))
    if found:
        raise Broken("\n".join([*found, site.story()]))


def faults(site: Site, flows: dict[str, str]) -> Iterator[str]:
    """Yield every broken promise."""
    ledger: dict[str, list[Row]] = defaultdict(list)
    for line in site.ledger():
        ledger[line["execution"]].append(line)
    with site.app.store.read() as conn:
        children = [row for one in flows for row in executions.children(conn, one)]
        for one in [*flows, *(row["id"] for row in children)]:
            row = executions.get(conn, one)
            assert row is not None
            runs = {name_of(run): run for run in task_runs.of_execution(conn, one)}
            lost = Counter(name_of(try_) for try_ in task_runs.attempts_of(conn, one) if try_["state"] == "lost")
            yield from (f"{row['flow']} {one}: {fault}" for fault in _of_execution(conn, row, runs, ledger[one], lost))
            if left := timers.of_execution(conn, one):
                yield f"{row['flow']} {one}: timers are left: {left}"
        if held := locks.page(conn):
            yield f"locks are left: {held}"
        yield from _outbox(conn, [*flows, *(row["id"] for row in children)])
    yield from _exclusion(site, ledger)


def name_of(run: Row) -> str:
    """Return the name of a task run, `backup[a]/dump`."""
    return "/".join(part for part in (run["path"], run["node"]) if part)


def _of_execution(conn: Any, row: Row, runs: dict[str, Row], ledger: list[Row], lost: Counter[str]) -> Iterator[str]:
    if row["state"] not in ENDED:
        yield f"it is {row['state']}"
    for name, run in runs.items():
        if run["state"] not in OVER:
            yield f"`{name}` is {run['state']}"
        if run["type"] in ("foreach", "fleet", "repeat"):
            for one in page(conn, row["id"], run["path"], run["node"], limit=None):
                if one["state"] not in (*OVER, "created"):
                    yield f"iteration `{name}[{one['key']}]` is {one['state']}"
    starts = Counter((line["task"], line["attempt"]) for line in ledger if line["event"] == "start")
    ends = {(line["task"], line["attempt"]) for line in ledger if line["event"] == "end"}
    yield from _starts(runs, starts)
    yield from _attempts(runs, starts, ends, lost)
    yield from _ending(row, runs)


def _starts(runs: dict[str, Row], starts: Counter[tuple[str, int]]) -> Iterator[str]:
    """Look at what the ledger says was started."""
    times: Counter[str] = Counter()
    for (name, attempt), number in starts.items():
        times[name] += number
        if name not in runs:
            yield f"`{name}` ran and has no row"
        elif runs[name]["attempt"] < attempt:
            yield f"`{name}` ran attempt {attempt}, its row knows of {runs[name]['attempt']}"
        if number > 1:
            yield f"attempt {attempt} of `{name}` was started {number} times"
    for name, number in times.items():
        if name not in runs or runs[name]["type"] in IDEMPOTENT:
            continue
        if number > ATTEMPTS.get(runs[name]["node"], 1):
            yield f"`{name}` may not be run again and was started {number} times"


def _attempts(
    runs: dict[str, Row], starts: Counter[tuple[str, int]], ends: set[tuple[str, int]], lost: Counter[str]
) -> Iterator[str]:
    """Look at what the rows say was done."""
    for name, run in runs.items():
        if not run["type"].startswith(OURS):
            continue
        state, last = run["state"], (name, run["attempt"])
        if state == "success" and last not in ends:
            yield f"`{name}` is a success and its attempt {run['attempt']} never came to its end"
        if state in ("skipped", "not_started") and any(started == name for started, _ in starts):
            yield f"`{name}` is {state} and was started"
        if state == "lost" and not lost[name]:
            yield f"`{name}` is lost and no attempt of it is"
        if run["type"] in IDEMPOTENT and state == "lost":
            yield f"`{name}` may be run again and was not"
        if run["type"] in IDEMPOTENT and state == "failed" and lost[name] < 2:
            yield f"`{name}` has failed and was lost {lost[name]} times: {run['problem']}"


def _ending(row: Row, runs: dict[str, Row]) -> Iterator[str]:
    """See whether the execution's end fits those of its task runs."""
    bad = [name for name, run in runs.items() if run["state"] in ("failed", "lost") and name]
    if row["state"] == "success":
        if bad:
            yield f"it is a success and {bad} are not"
        wanted = OUTPUTS.get(row["flow"])
        if wanted is not None and row["outputs"] != wanted:
            yield f"its outputs are {row['outputs']}"
    elif not bad:
        yield f"it is {row['state']} for no reason: {row['problem']}"
    elif row["state"] == "failed" and (row["problem"] or {}).get("type") not in ("lost", "breach"):
        yield f"it has failed because of {row['problem']}"


def _outbox(conn: Any, ids: list[str]) -> Iterator[str]:
    """Every execution's states must be there, in order, with one end for each run."""
    changes: dict[str, list[str]] = defaultdict(list)
    position = ""
    while True:
        rows, position = outbox.after(conn, position)
        if not rows:
            break
        for change in rows:
            changes[change["execution_id"]].append(change["state"])
    for one in ids:
        row, states = executions.get(conn, one), changes[one]
        assert row is not None
        if not states or states[-1] != row["state"] or sum(state in ENDED for state in states) != 1:
            yield f"{row['flow']} {one} is {row['state']}, the outbox has {states}"


def _exclusion(site: Site, ledger: dict[str, list[Row]]) -> Iterator[str]:
    """Nothing that holds the lock `shared` may overlap; what was killed ended when its server did."""
    spans = []
    for execution, lines in ledger.items():
        for start in lines:
            if start["event"] == "start" and start["task"] in ("enter", "leave"):
                same = [line["at"] for line in lines if line["pid"] == start["pid"] and line["task"] == start["task"]]
                ends = [at for at in same if at > start["at"]]
                died = [at for at in site.kills if at > start["at"]]
                spans.append((start["at"], min([*ends, *died], default=start["at"]), execution))
    spans.sort()
    for (_, end, first), (begin, _, second) in pairwise(spans):
        if begin < end and first != second:
            yield f"{first} and {second} both held the lock `shared`"
