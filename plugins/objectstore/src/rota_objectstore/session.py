"""The exchanges of one task with its stores: each can be stopped, and a client is opened once for many."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rota import Context, TaskFailed
from rota_objectstore.connection_fields import StoreFields, WritingFields
from rota_objectstore.failures import in_words
from rota_objectstore.places import Place

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")
_GRACE = 3.0
"""Seconds for an upload to take back what it has sent, before it is cut off."""


class Session:
    """Runs what the clients do asynchronously on the task's own thread; on cancel it ends at once."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._runner = asyncio.Runner()
        self._current: asyncio.Task[Any] | None = None

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._loop = self._runner.get_loop()
        self.ctx.on_cancel(self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.__exit__(kind, error, trace)

    def call(self, start: Callable[[], Awaitable[T]], *, graceful: bool = False) -> T:
        """Return what the awaitable that `start` makes gives.

        A `graceful` one looks itself whether the task is cancelled (`check`), and gets a moment for that.
        """
        self.check()
        return self._runner.run(self._watched(start, graceful=graceful))

    def check(self) -> None:
        """Raise TaskFailed once the task is cancelled."""
        if self.ctx.cancelled.is_set():
            raise TaskFailed("the task was stopped")

    async def _watched(self, start: Callable[[], Awaitable[T]], *, graceful: bool) -> T:
        async def awaited() -> T:
            result: T = await start()
            return result

        self._graceful = graceful
        task = self._current = asyncio.ensure_future(awaited())
        if self.ctx.cancelled.is_set():
            self._cut(task)
        try:
            done: T = await task
        except asyncio.CancelledError:
            raise TaskFailed("the task was stopped") from None
        finally:
            self._current = None
        return done

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
            self._loop.call_later(_GRACE, task.cancel)
        else:
            task.cancel()


@contextmanager
def store_at(
    ctx: Context, fields: StoreFields, place: Place, writing: WritingFields | None = None
) -> Iterator[ObjectStore]:
    """Lend the obstore store that holds `place`. Raises TaskFailed for settings that make no sense."""
    from rota_objectstore.opening import open_store, options_of

    with in_words(fields, place, "open"):
        options = options_of(fields, place, writing)
    digest = hashlib.sha256(repr(options).encode()).hexdigest()
    with ctx.client(
        ("objectstore", place.scheme, place.bucket, digest),
        lambda: _opened(fields, place, options, open_store),
        lambda _: None,
        shared=True,
    ) as store:
        yield store


def _opened(
    fields: StoreFields,
    place: Place,
    options: dict[str, Any],
    open_store: Callable[[Place, dict[str, Any]], ObjectStore],
) -> ObjectStore:
    with in_words(fields, place, "open"):
        return open_store(place, options)
