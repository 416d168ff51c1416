"""An upload to S3 in parts: begun, and taken back if it comes to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from rota_objectstore.session import GRACE, aside

Arguments = dict[str, Any]


@asynccontextmanager
async def upload_in_parts(
    client: Any, where: dict[str, Any], arguments: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
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


async def all_ended(parts: Iterable[asyncio.Future[Any]]) -> None:
    """Give parts that are on their way a moment: what arrives after the upload was given up would stay for ever."""
    waiting = [part for part in parts if not part.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=GRACE / 2)
    for part in waiting:
        part.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _give_up(client: Any, upload: Arguments) -> None:
    # What cannot be taken back now is for the bucket's own rule for unfinished uploads.
    with suppress(Exception):
        client.abort_multipart_upload(**upload)
