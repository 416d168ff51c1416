"""The exchanges of one task with its stores: each can be stopped, and a client is opened once for many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rota import Context, TaskFailed
from rota_objectstore.connection_fields import StoreFields, WritingFields, client_key
from rota_objectstore.event_loop import EventLoop
from rota_objectstore.failures import in_words
from rota_objectstore.places import Place

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")
GRACE = 3.0
"""Seconds for an upload to take back what it has sent, before it is cut off."""


class Session:
    """Runs what the clients do asynchronously on the task's own thread; on cancel it ends at once.

    The event loop is lent by the execution, with the threads that it has started for other tasks.
    """

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._lent = ctx.client(("objectstore", "loop"), _runner, asyncio.Runner.close)
        self._current: asyncio.Task[Any] | None = None
        self._graceful = False
        self._failed = False

    def __enter__(self) -> Self:
        self._loop = self._lent.__enter__().get_loop()
        self.ctx.on_cancel(self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._failed and (left := asyncio.all_tasks(self._loop)):
            self._loop.run_until_complete(_cancelled(left))
        self._lent.__exit__(kind, error, trace)

    def call(self, start: Callable[[], Awaitable[T]], *, graceful: bool = False) -> T:
        """Return what the awaitable that `start` makes gives.

        A `graceful` one looks itself whether the task is cancelled (`check`), and gets a moment for that.
        """
        self.check()
        self._graceful = graceful
        try:
            return self._loop.run_until_complete(self._watched(start))
        except BaseException:
            self._failed = True
            raise

    def check(self) -> None:
        """Raise TaskFailed once the task is cancelled."""
        if self.ctx.cancelled.is_set():
            raise TaskFailed("the task was stopped")

    async def _watched(self, start: Callable[[], Awaitable[T]]) -> T:
        task = self._current = asyncio.current_task()
        assert task is not None
        if self.ctx.cancelled.is_set():
            self._cut(task)
        try:
            return await start()
        except asyncio.CancelledError:
            raise TaskFailed("the task was stopped") from None
        finally:
            self._current = None

    def _stop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._cut_current)
        except RuntimeError:
            return  # the loop is closed: nothing runs any more

    def _cut_current(self) -> None:
        if self._current is not None:
            self._cut(self._current)

    def _cut(self, task: asyncio.Task[Any]) -> None:
        if self._graceful:
            self._loop.call_later(GRACE, task.cancel)
        else:
            task.cancel()


async def aside(work: Callable[[], T]) -> T:
    """Return what `work` gives, which blocks a thread of its own.

    A cancel leaves that thread behind, and so does the end of the process: a silent server holds up neither.
    """
    loop = asyncio.get_running_loop()
    awaited: asyncio.Future[T] = loop.create_future()

    def settle(give: Callable[[Any], None], outcome: object) -> None:
        if not awaited.done():
            give(outcome)

    def run() -> None:
        give: Callable[[Any], None] = awaited.set_result
        outcome: object
        try:
            outcome = work()
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            give, outcome = awaited.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, give, outcome)

    threading.Thread(target=run, name="rota-objectstore", daemon=True).start()
    return await awaited


def _runner() -> asyncio.Runner:
    return asyncio.Runner(loop_factory=EventLoop)


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    """End what an exchange that failed has left behind."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def store_at(
    ctx: Context, fields: StoreFields, place: Place, writing: WritingFields | None = None
) -> Iterator[ObjectStore]:
    """Lend the obstore store that holds `place`. Raises TaskFailed for settings that make no sense."""
    key = ("objectstore", place.scheme, place.bucket, client_key(fields, writing))
    with ctx.client(key, lambda: _opened(fields, place, writing), lambda _: None, shared=True) as store:
        yield store


def _opened(fields: StoreFields, place: Place, writing: WritingFields | None) -> ObjectStore:
    from rota_objectstore.opening import open_store

    with in_words(fields, place, "open"):
        return open_store(fields, place, writing)
