"""An upload to S3 in parts: begun, and taken back if it comes to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from rota_objectstore.session import GRACE, aside

Arguments = dict[str, Any]
T = TypeVar("T")


@asynccontextmanager
async def upload_in_parts(client: Any, where: Arguments, arguments: Arguments) -> AsyncIterator[Arguments]:
    """Begin an upload and give `where` with its id; an error in the block makes the store drop what it has got."""
    begun = await aside(partial(client.create_multipart_upload, **where, **arguments))
    upload = {**where, "UploadId": begun["UploadId"]}
    try:
        yield upload
    except BaseException as error:
        given_up = asyncio.ensure_future(aside(partial(_give_up, client, upload)))
        await asyncio.sleep(0)  # it has begun: nobody who is cut off waits for its end
        if not isinstance(error, asyncio.CancelledError):
            await given_up
        raise


async def all_parts(parts: AsyncIterable[Callable[[], T]], at_once: int) -> list[T]:
    """Do the work of each part, `at_once` at a time; return what they gave, in their order. Raises what one raises."""
    begun: list[asyncio.Task[T]] = []
    try:
        async for part in parts:
            if len(begun) >= at_once:
                await begun[-at_once]
            begun.append(asyncio.ensure_future(aside(part)))
        return [await part for part in begun]
    finally:
        await _ended(part for part in begun if not part.done())


async def _ended(parts: Iterable[asyncio.Task[Any]]) -> None:
    """Give those that are on their way a moment: what arrives after the upload was given up would stay for ever."""
    if waiting := list(parts):
        await asyncio.wait(waiting, timeout=GRACE / 2)
        for part in waiting:
            part.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _give_up(client: Any, upload: Arguments) -> None:
    # What cannot be taken back now is for the bucket's own rule for unfinished uploads.
    with suppress(Exception):
        client.abort_multipart_upload(**upload)
