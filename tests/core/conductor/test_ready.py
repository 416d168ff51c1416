"""The queue of what waits for a worker: urgent first, then namespaces and executions in turns."""

from __future__ import annotations

from rota.conductor.ready import Ready


def drain(ready: Ready[str]) -> list[str]:
    found = []
    while (job := ready.pop()) is not None:
        found.append(job)
    return found


def test_namespaces_take_turns_and_executions_within_them() -> None:
    ready: Ready[str] = Ready()
    for number in range(3):
        ready.push("big", "e1", f"big-e1-{number}", urgent=False)
        ready.push("big", "e2", f"big-e2-{number}", urgent=False)
    ready.push("small", "e3", "small", urgent=False)
    assert drain(ready) == ["big-e1-0", "small", "big-e2-0", "big-e1-1", "big-e2-1", "big-e1-2", "big-e2-2"]


def test_urgent_work_goes_first() -> None:
    ready: Ready[str] = Ready()
    ready.push("a", "e", "normal", urgent=False)
    ready.push("b", "e", "urgent", urgent=True)
    assert len(ready) == 2
    assert drain(ready) == ["urgent", "normal"]


def test_what_was_taken_back_is_never_handed_out() -> None:
    ready: Ready[str] = Ready()
    ready.push("a", "e", "one", urgent=False)
    ready.push("a", "e", "two", urgent=False)
    assert ready.take_back("one")
    assert not ready.take_back("one")
    assert len(ready) == 1
    assert drain(ready) == ["two"]
    assert not ready.take_back("two"), "a worker has it already"


def test_a_newcomer_waits_for_one_turn_only() -> None:
    ready: Ready[str] = Ready()
    for number in range(100):
        ready.push("big", "e", f"b{number}", urgent=False)
    assert ready.pop() == "b0"
    ready.push("new", "e", "n", urgent=False)
    assert [ready.pop(), ready.pop()] in (["b1", "n"], ["n", "b1"])
