"""`objectstore.put` of many small objects and of a large one, beside bare obstore."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any

from tests.bench.processes import ask
from tests.bench.running import best, seconds_of
from tests.lab.s3 import S3

from rota.testing import RecordedContext
from rota_objectstore.put import Put

if TYPE_CHECKING:
    from obstore.store import S3Store

SMALL, OBJECTS, AT_ONCE = 4096, 500, 16
LARGE = 1 << 30
_NUMBERS = itertools.count()
_CHILD = "plugins.objectstore.bench.child"


@dataclass(frozen=True)
class Measured:
    """Seconds of our own and of bare obstore; the most MB that a process of its own had, and for an eighth of it."""

    own: float
    bare: float
    megabytes: float = 0.0
    megabytes_of_an_eighth: float = 0.0


def measure_small(objects: int = OBJECTS, rounds: int = 2) -> Measured:
    """Return the seconds for `objects` small puts, `AT_ONCE` at a time; the best of `rounds` each, made in turns."""
    with _place() as (server, fields, bucket, folder):
        source = folder / "small"
        source.write_bytes(os.urandom(SMALL))
        store = _store(server, bucket)
        own, bare = best(
            lambda: seconds_of(lambda: _own_small(fields, bucket, source, objects)),
            lambda: seconds_of(lambda: asyncio.run(_bare_small(store, source, objects))),
            rounds=rounds,
        )
    return Measured(own, bare)


def measure_large(size: int = LARGE, rounds: int = 2) -> dict[str, Measured]:
    """Return what one object of `size` bytes takes, each in a process of its own; the best of `rounds`, made in turns.

    `put` never overwrites, which is the default; `put over` may, and `get` stores what it reads as an artifact.
    """
    with _place() as (server, fields, bucket, folder):
        source, eighth = folder / "large", folder / "eighth"
        _fill(source, size)
        _fill(eighth, size // 8)
        store = _store(server, bucket)
        bare = {"put": lambda: store.put("bare", source), "get": lambda: _read(store, "bare")}
        found = {}
        for task in ("put", "put over", "get"):
            put = "put" if task == "get" else task
            order = {"fields": fields, "bucket": bucket, "task": task}
            small = ask(_CHILD, {**order, "file": str(eighth), "key": f"{put}-eighth"})
            turns = [
                (
                    seconds_of(bare[task.split()[0]]),
                    ask(_CHILD, {**order, "file": str(source), "key": f"{put}-{number}"}),
                )
                for number in range(rounds)
            ]
            own = min(large["seconds"] for _, large in turns)
            megabytes = max(large["megabytes"] for _, large in turns)
            found[task] = Measured(own, min(floor for floor, _ in turns), megabytes, small["megabytes"])
    return found


def _fill(path: Path, size: int) -> None:
    with path.open("wb") as file:
        block = os.urandom(1 << 20)
        for _ in range(size >> 20):
            file.write(block)


def _read(store: S3Store, key: str) -> None:
    with TemporaryFile() as file:
        for chunk in store.get(key).stream(min_chunk_size=8 << 20):
            file.write(chunk)


class _place:  # noqa: N801 - used as a function
    """An S3 server with a bucket, and a folder."""

    def __enter__(self) -> tuple[S3, dict[str, Any], str, Path]:
        self._server = S3.start({})
        server = self._server.__enter__()
        self._folder = TemporaryDirectory()
        who = server.identities["admin"]
        fields = {"endpoint": server.url, "allow_http": True, "region": server.region}
        fields |= {"access_key": who.access_key, "secret_key": who.secret_key}
        return server, fields, server.create_bucket("bench-puts"), Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()
        self._server.__exit__(None, None, None)


def _own_small(fields: dict[str, Any], bucket: str, source: Path, objects: int) -> None:
    """Put with the tasks of one execution, which share a client as they do in a flow."""
    waiting = iter(range(objects))
    lock, round_number = threading.Lock(), next(_NUMBERS)
    with TemporaryDirectory() as folder:
        ctx = RecordedContext(Path(folder))
        os.link(source, ctx.workdir / "file")

        def work() -> None:
            while True:
                with lock:
                    number = next(waiting, None)
                if number is None:
                    return
                Put(**fields, uri=f"s3://{bucket}/{round_number}/{number}", file="file", overwrite=True).run(ctx)

        threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ctx.close()


async def _bare_small(store: S3Store, source: Path, objects: int) -> None:
    gate, round_number = asyncio.Semaphore(AT_ONCE), next(_NUMBERS)

    async def put(number: int) -> None:
        async with gate:
            await store.put_async(f"bare-{round_number}/{number}", source)

    await asyncio.gather(*(put(number) for number in range(objects)))


def _store(server: S3, bucket: str) -> S3Store:
    from obstore.store import S3Store

    who = server.identities["admin"]
    return S3Store(
        bucket,
        endpoint=server.url,
        region=server.region,
        access_key_id=who.access_key,
        secret_access_key=who.secret_key,
        client_options={"allow_http": True},
    )


def main() -> None:
    """Print the figures; the first argument is the size of the large object in MiB (1024)."""
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) << 20
    small = measure_small()
    print(f"{OBJECTS} small puts: {small.own:.2f} s, obstore {small.bare:.2f} s: {small.own / small.bare:.2f} times")
    for task, one in measure_large(size).items():
        print(
            f"{task}, {size >> 20} MiB: {one.own:.2f} s, obstore {one.bare:.2f} s: {one.own / one.bare:.2f} times; "
            f"{one.megabytes:.0f} MB at the most, {one.megabytes_of_an_eighth:.0f} MB for an eighth of it"
        )


if __name__ == "__main__":
    main()
