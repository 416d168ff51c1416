"""Locks: in order of asking, re-entrant, free of deadlocks, across processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rota.store import Store, executions, locks
from rota.store.locks import NO_INDEX, Address, Answer
from tests.core.store.rows import execution
from tests.core.store.test_engine import _environment


def _who(number: int, node: str = "a", path: str = "", idx: int = NO_INDEX) -> Address:
    return (execution(number)["id"], path, node, idx)


def _ask(store: Store, key: str, who: Address, ancestors: Sequence[Address] = (), wait: float | None = None) -> Answer:
    with store.write() as conn:
        return locks.ask(conn, key, who, root_id=who[0], at=1.0, expires_at=wait, ancestors=ancestors)


def _release(store: Store, *askers: Address) -> list[str]:
    with store.write() as conn:
        return [row["execution_id"] for row in locks.release(conn, askers, at=2.0)]


def test_a_lock_goes_round_in_order_of_asking(store: Store) -> None:
    assert _ask(store, "k", _who(3)).held
    assert not _ask(store, "k", _who(1)).held
    assert not _ask(store, "k", _who(2)).held
    assert _ask(store, "other", _who(9)).held
    assert _release(store, _who(3)) == [_who(1)[0]]
    assert _release(store, _who(2)) == []
    assert _release(store, _who(1)) == []
    assert _ask(store, "k", _who(4)).held


def test_asking_again_answers_as_it_stands(store: Store) -> None:
    first, second = _ask(store, "k", _who(1)), _ask(store, "k", _who(2))
    assert _ask(store, "k", _who(1)) == first
    assert _ask(store, "k", _who(2)) == second
    _release(store, _who(1))
    assert _ask(store, "k", _who(2)) == Answer(second.id, held=True)


def test_iterations_of_one_task_ask_apart(store: Store) -> None:
    assert _ask(store, "k", _who(1, "fleet", idx=0)).held
    assert not _ask(store, "k", _who(1, "fleet", idx=1)).held
    assert _release(store, _who(1, "fleet", idx=0)) == [_who(1)[0]]


def test_a_descendant_of_the_holder_has_it_too_before_those_who_wait(store: Store) -> None:
    outer = _who(1, "scope")
    assert _ask(store, "k", outer).held
    assert not _ask(store, "k", _who(5)).held
    inner = _who(2, "in_subflow")
    assert _ask(store, "k", inner, ancestors=[_who(1, "unlocked"), outer]).held
    assert _release(store, inner) == []
    assert _release(store, outer) == [_who(5)[0]]


def test_a_task_of_the_same_execution_that_is_no_descendant_waits(store: Store) -> None:
    assert _ask(store, "k", _who(1, "one")).held
    assert not _ask(store, "k", _who(1, "two")).held


def test_two_who_would_wait_for_each_other_are_told(store: Store) -> None:
    assert _ask(store, "a", _who(1, "outer")).held
    assert _ask(store, "b", _who(2, "outer")).held
    waiting = _ask(store, "b", _who(1, "inner"), ancestors=[_who(1, "outer")])
    assert not waiting.held
    assert not waiting.circle
    answer = _ask(store, "a", _who(2, "inner"), ancestors=[_who(2, "outer")])
    assert [(row["key"], row["held"]) for row in answer.circle] == [("a", True), ("b", False), ("b", True)]
    assert [row["execution_id"] for row in answer.circle] == [_who(1)[0], _who(1)[0], _who(2)[0]]
    with store.read() as conn:
        assert len(locks.page(conn)) == 3


def test_a_circle_of_three_in_parallel_scopes_is_found(store: Store) -> None:
    for number, key in enumerate("abc"):
        assert _ask(store, key, _who(number, "outer")).held
    assert not _ask(store, "b", _who(0, "inner"), [_who(0, "outer")]).circle
    assert not _ask(store, "c", _who(1, "inner"), [_who(1, "outer")]).circle
    assert [row["key"] for row in _ask(store, "a", _who(2, "inner"), [_who(2, "outer")]).circle] == list("abbcc")


def test_waiting_without_holding_is_no_circle(store: Store) -> None:
    assert _ask(store, "a", _who(1)).held
    assert _ask(store, "b", _who(2)).held
    for number in (3, 4, 5):
        assert not _ask(store, "a", _who(number)).circle
        assert not _ask(store, "b", _who(number, "other")).circle


def test_an_execution_that_ends_lets_go_of_everything(store: Store) -> None:
    with store.write() as conn:
        executions.insert_many(conn, [execution(1, owner="me"), execution(2, owner="you")])
    for key in ("a", "b"):
        _ask(store, key, _who(1, key))
        _ask(store, key, _who(2, key))
    with store.write() as conn:
        handed = locks.release_all(conn, [_who(1)[0]], at=3.0)
        assert [(row["key"], row["owner"], row["granted_at"]) for row in handed] == [
            ("a", "you", 3.0),
            ("b", "you", 3.0),
        ]
        assert locks.granted(conn, [row["id"] for row in handed]) == [row["id"] for row in handed]
        assert [row["flow"] for row in locks.page(conn, key="a")] == ["backup"]
        assert locks.release_ids(conn, [row["id"] for row in handed], at=4.0) == []
        assert locks.of_executions(conn, [_who(2)[0]]) == []


def test_a_wait_that_is_over_is_found(store: Store) -> None:
    _ask(store, "k", _who(1), wait=5.0)
    _ask(store, "k", _who(2), wait=5.0)
    _ask(store, "k", _who(3))
    with store.read() as conn:
        assert locks.expired(conn, 4.9) == []
        assert [row["execution_id"] for row in locks.expired(conn, 5.0)] == [_who(2)[0]]


def test_pages_of_locks_follow_each_other(store: Store) -> None:
    for number in range(5):
        _ask(store, f"k{number % 2}", _who(number))
    seen: list[tuple[str, int]] = []
    with store.read() as conn:
        while rows := locks.page(conn, after=seen[-1] if seen else None, limit=2):
            seen += [(row["key"], row["id"]) for row in rows]
    assert len(seen) == 5
    assert seen == sorted(seen)


_WORKER = """
    import sys, time
    from rota.store import locks, open_store
    url, me, ledger = sys.argv[1:]
    store = open_store(url, durability="process")
    for turn in range(15):
        who = (me, "", f"t{turn}", -1)
        with store.write() as conn:
            answer = locks.ask(conn, "k", who, root_id=me, at=time.time())
        while not answer.held:
            with store.read() as conn:
                if locks.granted(conn, [answer.id]):
                    break
            time.sleep(0.002)
        with open(ledger, "a") as file:
            file.write("in\\n")
        with open(ledger, "a") as file:
            file.write("out\\n")
        with store.write() as conn:
            locks.release(conn, [who], at=time.time())
    store.close()
"""


def test_processes_never_hold_a_lock_together(store: Store, store_url: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    code = textwrap.dedent(_WORKER)
    workers = [
        subprocess.Popen([sys.executable, "-c", code, store_url, me, ledger], env=_environment())
        for me in ("one", "two")
    ]
    assert [worker.wait() for worker in workers] == [0, 0]
    lines = ledger.read_text().split()
    assert lines == ["in", "out"] * 30
    with store.read() as conn:
        assert locks.page(conn) == []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc"), st.booleans()), max_size=40))
def test_somebody_can_always_go_on(sqlite_store: Store, steps: list[tuple[int, str, bool]]) -> None:
    """Every execution asks for one lock inside the other; whoever waits, some holder waits for nobody."""
    stacks: dict[int, list[Address]] = {}
    with sqlite_store.write() as conn:
        for number, key, ask in steps:
            stack = stacks.setdefault(number, [])
            blocked = stack and stack[-1] not in _held(conn)
            if ask and not blocked:
                who = _who(number, f"n{len(stack)}")
                if not locks.ask(conn, key, who, root_id=who[0], at=1.0, ancestors=list(stack)).circle:
                    stack.append(who)
            elif stack and not blocked:
                locks.release(conn, [stack.pop()], at=1.0)
        while any(stacks.values()):
            free = [stack for stack in stacks.values() if stack and stack[-1] in _held(conn)]
            assert free, locks.page(conn)
            locks.release(conn, [free[0].pop()], at=1.0)
        assert locks.page(conn) == []


def _held(conn: object) -> set[Address]:
    rows = locks.page(conn, limit=1000)  # type: ignore[arg-type]
    return {(row["execution_id"], row["path"], row["node"], row["idx"]) for row in rows if row["held"]}
