"""Writes what a MongoDB holds as BSON documents `{ns, doc}` one after another, which is not the real tool's format."""

from __future__ import annotations

import argparse
import gzip
import os
import sys
from contextlib import ExitStack
from typing import IO, Any, cast

import bson
from pymongo import MongoClient

_SYSTEM = ("admin", "config", "local")


def main() -> None:
    """Dump to standard output, or to the file of `--archive`."""
    parser = argparse.ArgumentParser(prog="mongodump", description=__doc__)
    parser.add_argument("--uri", default=os.environ.get("MONGODB_URI", "mongodb://127.0.0.1:27017"))
    parser.add_argument("--db")
    parser.add_argument("--archive", nargs="?", const="-", required=True)
    parser.add_argument("--gzip", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        client = stack.enter_context(MongoClient[dict[str, Any]](options.uri))
        plain: IO[bytes] = sys.stdout.buffer
        if options.archive != "-":
            plain = stack.enter_context(open(options.archive, "wb"))  # noqa: PTH123 (as the shell that called names it)
        sink = (
            stack.enter_context(cast("IO[bytes]", gzip.GzipFile(fileobj=plain, mode="wb"))) if options.gzip else plain
        )
        count = _dump(client, options.db, sink)
    print(f"done dumping {count} documents", file=sys.stderr)


def _dump(client: MongoClient[dict[str, Any]], database: str | None, sink: IO[bytes]) -> int:
    count = 0
    names = [database] if database else [name for name in client.list_database_names() if name not in _SYSTEM]
    for name in names:
        for collection in client[name].list_collection_names():
            for document in client[name][collection].find():
                sink.write(bson.encode({"ns": f"{name}.{collection}", "doc": document}))
                count += 1
    return count


if __name__ == "__main__":
    main()
