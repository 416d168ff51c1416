"""The event loop without sockets: other threads and timers wake it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from rota_objectstore.event_loop import EventLoop


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        yield runner


def test_another_thread_gives_the_result(runner: asyncio.Runner) -> None:
    async def awaited() -> int:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[int] = loop.create_future()
        threading.Timer(0.05, lambda: loop.call_soon_threadsafe(found.set_result, 7)).start()
        return await found

    assert [runner.run(awaited()) for _ in range(3)] == [7, 7, 7]


def test_many_threads_at_once_lose_no_call(runner: asyncio.Runner) -> None:
    async def counted() -> int:
        loop = asyncio.get_running_loop()
        done, calls = asyncio.Event(), 0

        def call() -> None:
            nonlocal calls
            calls += 1
            if calls == 8 * 500:
                done.set()

        def work() -> None:
            for _ in range(500):
                loop.call_soon_threadsafe(call)

        for _ in range(8):
            threading.Thread(target=work).start()
        async with asyncio.timeout(30):
            await done.wait()
        return calls

    assert runner.run(counted()) == 4000


def test_timers_and_threads_of_asyncio_work(runner: asyncio.Runner) -> None:
    def aside() -> str:
        time.sleep(0.05)
        return "aside"

    async def both() -> list[str]:
        return list(await asyncio.gather(asyncio.sleep(0.05, "slept"), asyncio.to_thread(aside)))

    assert runner.run(both()) == ["slept", "aside"]


def test_what_waits_ends_on_cancel_from_another_thread(runner: asyncio.Runner) -> None:
    async def waiting() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        threading.Timer(0.05, lambda: loop.call_soon_threadsafe(task.cancel)).start()
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        runner.run(waiting())


def test_sockets_are_refused(runner: asyncio.Runner) -> None:
    with pytest.raises(NotImplementedError):
        runner.run(asyncio.open_connection("127.0.0.1", 1))
