"""`mongo.export` and `mongo.import` of many small documents, beside bare pymongo, each in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.processes import ask
from tests.lab.mongodb import MongoDB

DOCUMENTS = 1_000_000
FORMATS = ("bson", "jsonl")
DATABASE = "rota_bench"
_BATCH = 5000


@dataclass(frozen=True)
class Figures:
    """What one task took: seconds beside bare pymongo's, peak megabytes beside those for a tenth of the documents."""

    task: str
    format: str
    seconds: float
    bare_seconds: float
    megabytes: float
    megabytes_of_a_tenth: float


def measure(documents: int = DOCUMENTS, formats: Sequence[str] = FORMATS) -> Iterator[Figures]:
    """Yield the figures of export and import, in BSON and in JSON Lines, with gzip as the tasks have it.

    The server is the lab's, or the one that ROTA_TEST_MONGODB names; its database `rota_bench` is dropped at the start.
    """
    with _server() as uri, TemporaryDirectory(prefix="rota-bench-") as folder:
        _fill(uri, documents)
        for form in formats:
            for task in ("export", "import"):
                order = {"uri": uri, "folder": folder, "task": task, "format": form, "documents": documents}
                # What is exported by the last of them is what is imported afterwards.
                tenth = _child({**order, "who": "rota", "documents": documents // 10})
                bare = _child({**order, "who": "pymongo"})
                own = _child({**order, "who": "rota"})
                yield Figures(task, form, own["seconds"], bare["seconds"], own["megabytes"], tenth["megabytes"])


@contextmanager
def _server() -> Iterator[str]:
    if given := os.environ.get("ROTA_TEST_MONGODB"):
        yield given
        return
    with MongoDB.start() as mongodb:
        yield mongodb.uri()


def _fill(uri: str, documents: int) -> None:
    from bson import ObjectId
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(DATABASE)
        for start in range(0, documents, _BATCH):
            numbers = range(start, min(start + _BATCH, documents))
            batch = [
                {"_id": ObjectId(), "number": at, "customer": f"c-{at % 997}", "total": at * 1.25, "paid": at % 2 == 0}
                for at in numbers
            ]
            client[DATABASE]["orders"].insert_many(batch, ordered=False)


def _child(order: dict[str, Any]) -> dict[str, float]:
    if order["task"] == "export":
        return ask("plugins.mongo.bench.child", order)
    # An import has a server of its own: the lab's becomes slower with all that was ever written to it.
    with _server() as uri:
        return ask("plugins.mongo.bench.child", {**order, "uri": uri})


def main() -> None:
    """Print the figures for as many documents as the first argument says (a million)."""
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS
    for one in measure(documents):
        print(
            f"mongo.{one.task} of {documents:,} documents as {one.format}: {one.seconds:.1f} s, bare pymongo "
            f"{one.bare_seconds:.1f} s, {one.seconds / one.bare_seconds:.2f} times that; {one.megabytes:.0f} MB at the "
            f"most, {one.megabytes_of_a_tenth:.0f} MB for a tenth of them",
            flush=True,
        )


if __name__ == "__main__":
    main()
