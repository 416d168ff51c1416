"""A process that exports or imports once, by Rota or by bare pymongo; prints the seconds and its peak of memory."""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plugins.mongo.bench.files import DATABASE
from tests.bench.processes import memory

from rota.testing.running import FlowRunner

_LEVEL = 3
"""The compression that `mongo.export` has by default."""
_BATCH = 2000
_FLOW = """
id: bench
namespace: bench
tasks:
  - id: do
    type: mongo.{task}
    uri: "{{{{ secret('mongo#uri') }}}}"
    database: {database}
    collection: {collection}
    file: {file}
    {more}
outputs: {{documents: "{{{{ outputs.do.documents }}}}"}}
"""


def main() -> None:
    """Carry out the order on standard input."""
    order = json.load(sys.stdin)
    if order["task"] == "import":
        _drop(order["uri"])
    seconds = _by_rota(order) if order["who"] == "rota" else _by_pymongo(order)
    print(json.dumps({"seconds": seconds, "megabytes": memory()}))


def _drop(uri: str) -> None:
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](uri) as client:
        client[DATABASE]["again"].drop()


def _file(order: dict[str, Any]) -> Path:
    return Path(order["folder"]) / f"{order['documents']}.{order['format']}.gz"


def _by_rota(order: dict[str, Any]) -> float:
    exports = order["task"] == "export"
    more = f"format: {order['format']}\n    limit: {order['documents']}"
    flow = _FLOW.format(
        task=order["task"],
        database=DATABASE,
        collection="orders" if exports else "again",
        file=_file(order),
        more=more if exports else "mode: insert",
    )
    with TemporaryDirectory() as folder, FlowRunner(Path(folder) / "home") as runner:
        import pymongo  # noqa: F401 - bare pymongo has imported it before its clock runs, too

        runner.run("id: first\nnamespace: bench\ntasks:\n  - {id: hello, type: log, message: hello}\n")
        began = time.perf_counter()
        run = runner.run(flow, secrets={"mongo#uri": order["uri"]}, timeout=3600)
        seconds = time.perf_counter() - began
    assert run.state == "success", run.log
    assert run.outputs == {"documents": order["documents"]}
    return seconds


def _by_pymongo(order: dict[str, Any]) -> float:
    from pymongo import MongoClient

    began = time.perf_counter()
    with MongoClient[dict[str, Any]](order["uri"]) as client:
        database = client[DATABASE]
        if order["task"] == "export":
            with gzip.open(_file(order), "wb", _LEVEL) as out:
                _export(database["orders"], order["format"], out)
        else:
            with gzip.open(_file(order)) as found:
                documents = _lines(found) if order["format"] == "jsonl" else _bson(found)
                while batch := list(islice(documents, _BATCH)):
                    database["again"].insert_many(batch, ordered=False)
    return time.perf_counter() - began


def _export(collection: Any, form: str, out: Any) -> None:
    if form == "bson":
        for batch in collection.find_raw_batches():
            out.write(batch)
        return
    from bson import json_util

    for document in collection.find():
        out.write(json_util.dumps(document, json_options=json_util.RELAXED_JSON_OPTIONS).encode() + b"\n")


def _lines(found: Any) -> Iterator[Any]:
    from bson import json_util

    return (json_util.loads(line) for line in found)


def _bson(found: Any) -> Iterator[Any]:
    import bson
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument

    return bson.decode_file_iter(found, CodecOptions(document_class=RawBSONDocument))


if __name__ == "__main__":
    main()
