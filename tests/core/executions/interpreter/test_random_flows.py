"""Whatever the flow, the outcomes and the order of events: it ends, and keeps its promises on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import Node
from rota.executions.models import (
    FrameEnded,
    Open,
    Restart,
    Run,
    Start,
    State,
)
from rota.flows.models import Fleet, Foreach, Step
from tests.core.executions.interpreter.random_flows import made_up
from tests.core.executions.interpreter.world import Script, World, join

Made = tuple[dict[str, Any], Script, Random]
CHECKED = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


class Watch:
    """Looks at every event and command of a world, and objects to what may not be."""

    def __init__(self, world: World, *, crashes: bool) -> None:
        self.world, self.crashes = world, crashes
        self.tries: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
        self.frame_starts: Counter[str] = Counter()
        self.open: dict[tuple[str, str], set[int]] = {}
        self.stopped: set[str] = set()
        world.watch = self

    def __call__(self, path: str, message: Any) -> None:
        if isinstance(message, (Start, Restart)):
            self.frame_starts[path] += 1
        elif isinstance(message, Run):
            self.may_run(path, message)
        elif isinstance(message, Open):
            self.may_open(path, message)
        elif isinstance(message, FrameEnded):
            self.open[path, message.node].discard(message.index)

    def may_run(self, path: str, run: Run) -> None:
        frame = self.world.frames[path]
        node = frame.nodes[run.node]
        rounds = tuple(frame.states[one.id].round for one in line(node)[1:])
        begun = (path, run.node, self.frame_starts[path], rounds)
        self.tries[begun].append(run.attempt)
        assert len(set(self.tries[begun])) == len(self.tries[begun]), "an attempt was started twice"
        assert len(self.tries[begun]) <= self.attempts(node) + self.losses(node)
        for one in line(node):
            self.in_order(frame, one)

    def attempts(self, node: Node) -> int:
        """How often `retry` lets a task be tried."""
        retry = node.step.retry if isinstance(node.step, Step) else None
        if retry is None:
            return 1
        return (
            retry.attempts
            if isinstance(retry.attempts, int)
            else self.world.script.answers[node.id]["retry"]["attempts"]
        )

    def losses(self, node: Node) -> int:
        """How many losses, which are no attempt of the task's own, are made good: one at most."""
        outcomes: Any = self.world.script.outcomes.get(node.id, [])
        return int(self.crashes or "rerun" in outcomes or (node.on_lost == "retry" and "lost" in outcomes))

    def in_order(self, frame: Frame, node: Node) -> None:
        """What must have ended well before `node` has."""
        parent = node.parent
        if parent is None:
            return
        if parent.kind == "parallel" and node in parent.blocks["body"]:
            before = [one for one in parent.blocks["body"] if node in one.dependents]
        else:
            blocks = [*parent.blocks.values(), parent.errors, parent.finally_]
            before = list(next(block for block in blocks if node in block)[: node.position])
        for one in before:
            assert frame.states[one.id].state.well, f"{node} runs before {one}"

    def may_open(self, path: str, opened: Open) -> None:
        frame = self.world.frames[path]
        node = frame.nodes[opened.node]
        opened_now = self.open.setdefault((path, opened.node), set())
        assert opened.index not in opened_now
        opened_now.add(opened.index)
        if isinstance(node.step, (Foreach, Fleet)):
            live: Any = frame.lives[node.id]
            assert len(opened_now) <= live.limits.max_parallel
            assert live.limits.max_parallel <= 10
        else:
            assert len(opened_now) == 1


def line(node: Node) -> list[Node]:
    """The node and the scopes around it."""
    found = [node]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found


def settled(world: World) -> None:
    """Nothing is under way, held or forgotten."""
    assert world.finish is not None
    assert not world.pending
    assert not world.queue
    assert not world.busy
    assert not world.held_locks()
    for path, frame in world.frames.items():
        assert frame.ended, path
        assert not frame.lives
        assert not frame.running()
        assert not any(frame.holds.values())
        for state in frame.states.values():
            assert state.state.ended or state.state is State.CREATED, join(path, state.node)
            assert not state.phase
            check_scope(frame, frame.nodes[state.node])


def check_scope(frame: Frame, node: Node) -> None:
    state = frame.states[node.id]
    if not node.scope or not state.round or state.state in (State.NOT_STARTED, State.CREATED, State.SKIPPED):
        return
    for child in node.finally_:
        assert frame.states[child.id].state.ended, f"`finally` of {node} was left out"
    children = [frame.states[child.id].state for child in node.children() if child.id in frame.states]
    if state.state is State.SUCCESS and not node.recover and "exit" not in state.data:
        allowed = (State.SUCCESS, State.SKIPPED, State.NOT_STARTED, State.CREATED)
        assert all(child in allowed for child in children), f"{node} hides a failure"


def run(made: Made, *, rebuild: bool, meanwhile: str = "") -> World:
    """Run a flow; `meanwhile` names a method of the world that is called at some time."""
    flow, script, random = made
    world = World(flow, script, pick=random.randrange, rebuild=rebuild)
    Watch(world, crashes=meanwhile == "crash")
    if meanwhile:
        world.later(0, (meanwhile,), getattr(world, meanwhile))
    return world.run()


@CHECKED
@given(made_up())
def test_it_ends_in_any_order_of_events_and_keeps_what_it_promises(made: Made) -> None:
    settled(run(made, rebuild=False))


@CHECKED
@given(made_up())
def test_it_goes_on_the_same_way_when_rebuilt_after_any_event(made: Made) -> None:
    settled(run(made, rebuild=True))


@CHECKED
@given(made_up())
def test_it_ends_when_it_is_cancelled_at_any_time(made: Made) -> None:
    world = run(made, rebuild=True, meanwhile="cancel")
    settled(world)
    assert world.state is not State.NOT_STARTED


@CHECKED
@given(made_up())
def test_it_goes_on_after_a_crash_at_any_time(made: Made) -> None:
    settled(run(made, rebuild=False, meanwhile="crash"))


@CHECKED
@given(made_up())
def test_it_ends_when_limits_are_changed_at_any_time(made: Made) -> None:
    settled(run(made, rebuild=True, meanwhile="change_limits"))


@CHECKED
@given(made_up(), st.randoms(use_true_random=False))
def test_restarts_of_picked_iterations_end(made: Made, random: Random) -> None:
    world = run(made, rebuild=True)
    for _ in range(2):
        if world.state in (State.SUCCESS, State.WARNING):
            return
        nodes = world.frames[""].states
        picked = {name: [[0, random.randrange(3)]] for name in nodes if "n" in nodes[name].data}
        world.restart(Restart(picked, everything=random.random() < 0.2))
        settled(world)


@CHECKED
@given(made_up())
def test_restarts_with_nothing_wrong_any_more_run_only_what_is_left_and_end_well(made: Made) -> None:
    world = run(made, rebuild=True)
    settled(world)
    text = str(made[0])
    for _ in range(2):
        if world.state in (State.SUCCESS, State.WARNING):
            return
        world.script.outcomes.clear()
        world.script.refused.clear()
        world.script.broken.clear()
        world.script.persons.clear()
        world.pick = None
        before = world.states()
        world.restart()
        settled(world)
        if "restart" not in text and "retry" not in text:
            for start in world.starts:
                once(world, start, before)
    if not any(word in text for word in ("'fail'", "'exit'", "'switch'", "'repeat'", "timeout", "duration")):
        assert world.state in (State.SUCCESS, State.WARNING)


def once(world: World, start: str, before: dict[str, str]) -> None:
    """A task that had succeeded runs again only after one that had not, or in `errors` and `finally`."""
    path = start.partition("#")[0].rstrip("!")
    if before.get(path) != "success":
        return
    frame, node = world.node(path)
    while True:
        if any(one.parent and (one in one.parent.errors or one in one.parent.finally_) for one in line(node)):
            return
        for one in line(node):
            if one.parent and any(was_redone(world, frame, before, other) for other in earlier(one)):
                return
        name = next(name for name, other in world.frames.items() if other is frame)
        assert name, f"{path} ran again"
        parent, above, _ = world.parents[name]
        frame = world.frames[parent]
        node = frame.nodes[above]


def earlier(node: Node) -> list[Node]:
    assert node.parent is not None
    block = next(block for block in node.parent.blocks.values() if node in block)
    return list(block) if node.parent.kind == "parallel" else list(block[: node.position])


def was_redone(world: World, frame: Frame, before: dict[str, str], node: Node) -> bool:
    name = next(name for name, other in world.frames.items() if other is frame)
    return before.get(join(name, node.id)) not in ("success", "skipped")
