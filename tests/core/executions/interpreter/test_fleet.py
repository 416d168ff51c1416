"""`fleet`: canary, batches, places, locks, the limit of failures, and persons who decide."""

from __future__ import annotations

from typing import Any

import pytest

from rota.executions.models import (
    Acquire,
    LimitsChanged,
    LockGranted,
    LockQueued,
    Open,
    Problem,
    Release,
    Resumed,
    StopFrame,
    WithdrawFrame,
)
from rota.flows.models import Fleet
from tests.core.executions.interpreter.steps import fleet, prepare, run, sequential, states, step, task
from tests.core.executions.interpreter.world import Script, World

FAIL = "failed"


def of(count: int, *failing: int, **script: Any) -> Script:
    """A world with so many targets, of which some fail at `a`."""
    outcomes = {f"f[{index}]/a": FAIL for index in failing}
    return Script(answers={"f": {"count": count, "canary": 0}}, outcomes=dict(outcomes), **script)


def batches(world: World) -> list[int]:
    """How many targets were opened in each batch, a batch lasting a second."""
    sizes: dict[float, int] = {}

    def watch(path: str, one: Any) -> None:
        if isinstance(one, Open):
            sizes[world.now] = sizes.get(world.now, 0) + 1

    world.watch = watch
    world.run()
    return list(sizes.values())


BATCHES: list[tuple[int, dict[str, Any], list[int]]] = [
    (57, {"canary": 1, "batch": "20%"}, [1, 12, 12, 12, 12, 8]),
    (57, {"batch": "20%"}, [12, 12, 12, 12, 9]),
    (57, {}, [57]),
    (57, {"batch": 20}, [20, 20, 17]),
    (57, {"canary": "1%", "batch": "100%"}, [1, 56]),
    (3, {"canary": 5}, [3]),
    (10, {"batch": "0.1%"}, [1] * 10),
    (10, {"canary": "{{ zero }}"}, [10]),
    (1, {"canary": 1, "batch": 1}, [1]),
    (0, {"canary": 1, "batch": "20%"}, []),
    (1000, {"batch": "33.3%"}, [333, 333, 333, 1]),
]


@pytest.mark.parametrize(("count", "rollout", "sizes"), BATCHES)
def test_sizes_of_batches(count: int, rollout: dict[str, Any], sizes: list[int]) -> None:
    world = prepare(fleet("f", "a", max_parallel=10_000, **rollout), script=of(count))
    world.rebuild = count < 100
    assert batches(world) == sizes
    assert (world.state, len(world.starts)) == ("success", count)


PLACES: list[tuple[int, int | str, list[int]]] = [
    (25, 10, [10, 10, 5]),
    (7, "30%", [3, 3, 1]),
    (7, "1%", [1] * 7),
]


@pytest.mark.parametrize(("count", "places", "sizes"), PLACES)
def test_places(count: int, places: int | str, sizes: list[int]) -> None:
    assert batches(prepare(fleet("f", "a", max_parallel=places), script=of(count))) == sizes


def test_the_default_is_ten_places_and_no_failure() -> None:
    assert batches(prepare(fleet("f", "a"), script=of(12))) == [10, 2]
    assert run(fleet("f", "a"), script=of(3, 2)).problem == "breach"


def test_a_place_is_held_from_the_first_task_to_the_last_waits_included() -> None:
    world = run(fleet("f", "a", step("sleep", "z", duration=60), "b", max_parallel=1), script=of(2))
    assert (world.ran(), world.now) == ("f[0]/a f[0]/b f[1]/a f[1]/b", 124)


# --- the limit of failures

LIMITS: list[tuple[int, dict[str, Any], tuple[int, ...], int, str]] = [
    # targets, rollout, which fail, how many run (one at a time), state
    (57, {"max_failures": "10%"}, (0, 1, 2, 3, 4), 57, "warning"),
    (57, {"max_failures": "10%"}, (0, 1, 2, 3, 4, 5), 6, "failed"),
    (57, {"max_failures": "10%"}, (0, 1, 2, 3, 4, 56), 57, "failed"),
    (10, {"max_failures": 2}, (1, 3), 10, "warning"),
    (10, {"max_failures": 2}, (1, 3, 5), 6, "failed"),
    (10, {"max_failures": 0}, (4,), 5, "failed"),
    (10, {"max_failures": "0%"}, (4,), 5, "failed"),
    (3, {"max_failures": "33.4%"}, (0,), 3, "warning"),
    (3, {"max_failures": "33.3%"}, (0,), 1, "failed"),
    (10, {"max_failures": 10}, tuple(range(10)), 10, "warning"),
    (10, {"max_failures": 5, "canary": 2}, (1,), 2, "failed"),
    (10, {"max_failures": 5, "canary": 2}, (2,), 10, "warning"),
    (10, {"max_failures": 5, "canary": 2}, (0,), 1, "failed"),
]


@pytest.mark.parametrize(("count", "rollout", "failing", "ran", "state"), LIMITS)
def test_failures(count: int, rollout: dict[str, Any], failing: tuple[int, ...], ran: int, state: str) -> None:
    world = run(fleet("f", "a", max_parallel=1, **rollout), script=of(count, *failing))
    assert (len(world.starts), world.state) == (ran, state)


def test_the_problem_of_a_breach_counts_and_keeps_the_first_error() -> None:
    script = of(20)
    script.outcomes = {f"f[{index}]/a": Problem("Refused", "no route", "f/a", f"db-{index}") for index in (3, 4, 5)}
    world = run(fleet("f", "a", max_failures="10%", max_parallel=1), script=script)
    assert world.finish is not None
    message = "3 of 20 in `f` failed, allowed: 10%; first: no route"
    assert world.finish.problem == Problem("breach", message, "f/a", "db-3")


def test_failures_count_after_their_retries() -> None:
    script = of(3)
    script.outcomes["a"] = ["failed", "success"]
    world = run(fleet("f", task("a", retry={"attempts": 2})), script=script)
    assert world.state == "success"


def test_drain_lets_what_has_begun_go_to_its_end_and_withdraws_the_rest() -> None:
    script = of(6, 0, workers=2, takes={"f[0]/a": 1, "f[1]/a": 2})
    world = run(fleet("f", "a b", max_parallel=4), script=script)
    assert world.ran() == "f[0]/a f[1]/a f[1]/b"
    assert states(world, "f[0]/ f[1]/ f[2]/ f[3]/ f[4]/ f") == (
        "f[0]/=failed f[1]/=success f[2]/=not_started f[3]/=not_started f[4]/=- f=failed"
    )


def test_cancel_stops_what_has_begun() -> None:
    script = of(6, 0, takes={"f[1]/a": 5})
    world = run(
        fleet("f", sequential("s", "a b", finally_=[task("g")]), max_parallel=2, on_breach="cancel"), script=script
    )
    assert (world.ran(), world.now) == ("f[0]/a f[1]/a f[0]/g f[1]/g", 3)
    assert states(world, "f[0]/ f[1]/ f[2]/ f") == "f[0]/=failed f[1]/=cancelled f[2]/=- f=failed"


def test_pause_lets_started_ones_end_and_asks_a_person() -> None:
    world = prepare(fleet("f", "a b", max_parallel=2, on_breach="pause"), script=of(6, 0, persons={"f": None}))
    world.run()
    assert (world.ran(), world.asked) == ("f[0]/a f[1]/a f[1]/b", ["f breach"])
    world.feed("", Resumed("f"))
    world.go_on()
    assert (len(world.starts), world.state, world.asked) == (11, "failed", ["f breach"])


def test_each_failure_after_a_breach_that_was_accepted_asks_again() -> None:
    world = run(fleet("f", "a", max_parallel=1, on_breach="pause"), script=of(6, 0, 2, 5))
    assert (len(world.starts), world.state, world.asked) == (6, "failed", ["f breach", "f breach"])


def test_a_person_may_stop_what_is_breached() -> None:
    world = run(fleet("f", "a", max_parallel=1, on_breach="pause"), script=of(6, 0, persons={"f": (5, True)}))
    assert (world.ran(), world.state, world.problem) == ("f[0]/a", "failed", "breach")


def test_a_breach_that_nothing_is_left_to_start_for_asks_nobody() -> None:
    world = run(fleet("f", "a", on_breach="pause"), script=of(3, 0))
    assert (len(world.starts), world.state, world.asked) == (3, "failed", [])


# --- limits changed by a person


def test_more_failures_allowed_end_a_breach_that_is_none_any_more() -> None:
    world = prepare(fleet("f", "a", max_parallel=1, on_breach="pause"), script=of(4, 0, persons={"f": None})).run()
    assert (len(world.starts), world.finish) == (1, None)
    world.feed("", LimitsChanged("f", max_failures=1))
    world.go_on()
    assert (len(world.starts), world.state) == (4, "warning")


def test_a_canary_that_failed_is_not_mended_by_more_failures_allowed() -> None:
    rollout = fleet("f", "a", canary=1, on_breach="pause")
    world = prepare(rollout, script=of(4, 0, persons={"f": None})).run()
    world.feed("", LimitsChanged("f", max_failures=4))
    assert (len(world.go_on().starts), world.finish) == (1, None)
    world.feed("", Resumed("f"))
    assert (len(world.go_on().starts), world.state) == (4, "warning")


def test_fewer_failures_allowed_may_be_a_breach_at_once() -> None:
    world = prepare(fleet("f", "a", max_parallel=1, max_failures=3), script=of(6, 0, 1)).run(until=2.5)
    world.feed("", LimitsChanged("f", max_failures=1))
    assert (len(world.go_on().starts), world.state) == (3, "failed")


def test_more_and_fewer_places_while_it_runs() -> None:
    world = prepare(fleet("f", "a", max_parallel=1), script=of(12)).run(until=1.5)
    world.feed("", LimitsChanged("f", max_parallel=5))
    world.go_on(until=1.8)
    assert len(world.starts) == 6
    world.feed("", LimitsChanged("f", max_parallel=2))
    world.go_on(until=2.8)
    assert len(world.starts) == 8
    assert len(world.go_on().starts) == 12


def test_limits_of_what_does_not_run_change_nothing() -> None:
    world = run(fleet("f", "a"), "b", script=of(2))
    for node in ("f", "b", "nobody"):
        assert world.frames[""].apply(LimitsChanged(node, max_parallel=1)) == []


# --- between batches

BETWEEN: list[tuple[str, dict[str, Any], float, int]] = [
    ("wait", {"batch": 2, "wait": "1m"}, 2 * 60 + 3, 0),
    ("approve each batch", {"batch": 2, "approve": {"after": "batch"}}, 2 * 5 + 3, 2),
    ("approve the canary", {"canary": 1, "batch": 2, "approve": {"after": "canary"}}, 5 + 4, 1),
    ("no canary to approve", {"batch": 2, "approve": {"after": "canary"}}, 3, 0),
    ("wait and approve, both at once", {"batch": 2, "wait": 60, "approve": {"after": "batch"}}, 2 * 60 + 3, 2),
    ("a person who takes longer", {"batch": 2, "wait": 3, "approve": {"after": "batch"}}, 2 * 5 + 3, 2),
]


@pytest.mark.parametrize(("rollout", "time", "asked"), [c[1:] for c in BETWEEN], ids=[c[0] for c in BETWEEN])
def test_between_batches(rollout: dict[str, Any], time: float, asked: int) -> None:
    world = run(fleet("f", "a", **rollout), script=of(6))
    assert (world.state, world.now, world.asked) == ("success", time, ["f approve"] * asked)


def test_a_batch_that_is_rejected_ends_the_fleet() -> None:
    rollout = fleet("f", "a", batch=2, wait=60, approve={"after": "batch"}, errors=[task("e")])
    world = run(rollout, script=of(6, persons={"f": (5, True)}))
    assert (world.ran(), world.now, world.problem) == ("f[0]/a f[1]/a e", 7, "rejected")


def test_cancel_between_batches() -> None:
    world = prepare(fleet("f", "a", batch=2, wait=60, approve={"after": "batch"}), script=of(6)).run(until=3)
    assert world.cancel().go_on().state == "cancelled"
    assert (world.pending, world.now, len(world.starts)) == ([], 6, 2)


# --- expect


@pytest.mark.parametrize(
    ("expect", "ok"), [({"min": 3}, True), ({"min": 4}, False), ({"max": 3}, True), ({"max": 2}, False)]
)
def test_expect(expect: dict[str, int], ok: bool) -> None:
    world = run(fleet("f", "a", expect=expect, errors=[task("e")]), script=of(3))
    assert (len(world.starts), world.problem) == ((3, "") if ok else (1, "expect"))


def test_expect_says_what_there_is() -> None:
    script = of(0)
    script.answers["f"]["expect_min"] = 50
    world = run(fleet("f", "a", expect={"min": "{{ n }}"}), script=script)
    assert world.finish is not None
    assert world.finish.problem == Problem("expect", "`f` has 0 targets, expected at least 50", "f")


# --- locks of targets


def test_a_target_that_waits_for_its_lock_holds_no_place() -> None:
    world = prepare(fleet("f", "a", lock="k{{ key }}", max_parallel=1), script=of(3, locked={":f[0]": 10}))
    order = []
    world.watch = lambda _, one: (
        order.append(one) if isinstance(one, (Acquire, LockQueued, LockGranted, Open, Release)) else None
    )
    world.run()
    assert (world.ran(), world.now) == ("f[1]/a f[2]/a f[0]/a", 11)
    assert order == [
        Acquire("f", index=0),
        LockQueued("f", 0),
        Acquire("f", index=1),
        LockGranted("f", 1),
        Open("f", 1),
        Release("f", 1),
        Acquire("f", index=2),
        LockGranted("f", 2),
        Open("f", 2),
        Release("f", 2),
        LockGranted("f", 0),
        Open("f", 0),
        Release("f", 0),
    ]


def test_no_more_locks_are_asked_for_than_there_are_places() -> None:
    world = prepare(fleet("f", "a", lock="k{{ key }}", max_parallel=2), script=of(9))
    held: set[int | None] = set()
    most = []

    def watch(path: str, one: Any) -> None:
        if isinstance(one, Acquire):
            held.add(one.index)
            most.append(len(held))
        elif isinstance(one, Release):
            held.discard(one.index)

    world.watch = watch
    assert world.run().state == "success"
    assert max(most) == 2


def test_those_that_get_their_lock_late_queue_for_a_place_in_order() -> None:
    script = of(4, locked={":f[0]": 2.5, ":f[1]": 2.2}, takes={"f[2]/a": 5})
    world = run(fleet("f", "a", lock="k{{ key }}", max_parallel=1), script=script)
    assert world.ran() == "f[2]/a f[1]/a f[0]/a f[3]/a"


def test_a_lock_that_is_refused_fails_its_target_alone() -> None:
    problem = Problem("lock", "the wait is over")
    world = run(fleet("f", "a", lock={"key": "k", "wait": 5}, max_failures=1), script=of(3, refused={":f[1]": problem}))
    assert (world.ran(), world.state) == ("f[0]/a f[2]/a", "warning")


def test_a_breach_gives_back_every_lock_that_was_asked_for() -> None:
    script = of(6, 2, locked={":f[0]": 90, ":f[1]": 90})
    world = run(fleet("f", "a", lock="k{{ key }}", max_parallel=2), script=script)
    assert (world.ran(), world.state) == ("f[2]/a f[3]/a", "failed")
    assert not world.held_locks()


def test_the_lock_of_a_fleet_is_per_target_and_its_wait_is_handed_on() -> None:
    world = prepare(fleet("f", "a", lock={"key": "k{{ key }}", "wait": "5m"}), script=of(1))
    assert not world.program.frames[""].nodes["f"].holds_lock
    assert world.program.frames[""].nodes["f"].expressions("items")["lock"] == "k{{ key }}"
    asked = []
    world.watch = lambda _, one: asked.append(one) if isinstance(one, Acquire) else None
    world.run()
    assert asked == [Acquire("f", "", 300.0, 0)]


# --- what is kept


def test_what_is_kept_of_ten_thousand_targets_stays_small() -> None:
    world = prepare(fleet("f", "a", max_parallel=30, max_failures="10%"), script=of(10_000, *range(0, 900, 100)))
    world.rebuild = False
    world.pick = lambda _: 0
    largest = 0

    def watch(path: str, one: Any) -> None:
        nonlocal largest
        if not path and len(world.starts) % 500 == 0:
            largest = max(largest, len(str(world.frames[""].snapshot())))

    world.watch = watch
    world.run()
    assert isinstance(world.program.frames[""].nodes["f"].step, Fleet)
    assert (len(world.starts), world.state) == (10_000, "warning")
    assert largest < 1500


@pytest.mark.parametrize(("on_breach", "kind"), [("drain", WithdrawFrame), ("cancel", StopFrame)])
def test_a_breach_names_only_open_targets(on_breach: str, kind: type[Any]) -> None:
    script = of(9, 0, takes={"f[1]/a": 3, "f[2]/a": 3})
    world = prepare(fleet("f", "a", max_parallel=3, on_breach=on_breach), script=script)
    told: list[Any] = []
    world.watch = lambda _, one: told.append(one) if isinstance(one, (WithdrawFrame, StopFrame)) else None
    world.run()
    assert told == [kind("f", 1), kind("f", 2)]
