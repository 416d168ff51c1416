"""A process that puts or gets one object by Rota; prints the seconds and its peak of memory."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.processes import memory

from rota.testing import RecordedContext
from rota_objectstore.get import Get
from rota_objectstore.put import Put


def main() -> None:
    """Carry out the order on standard input."""
    order = json.load(sys.stdin)
    with TemporaryDirectory(dir=Path(order["file"]).parent) as folder:
        ctx = RecordedContext(Path(folder))
        os.link(order["file"], ctx.workdir / "file")
        seconds = _get(ctx, order) if order["task"] == "get" else _put(ctx, order)
        ctx.close()
    print(json.dumps({"seconds": seconds, "megabytes": memory()}))


def _put(ctx: RecordedContext, order: dict[str, Any]) -> float:
    over = order["task"] == "put over"
    task = Put(**order["fields"], uri=f"s3://{order['bucket']}/{order['key']}", file="file", overwrite=over)
    began = time.perf_counter()
    assert task.run(ctx).written
    return time.perf_counter() - began


def _get(ctx: RecordedContext, order: dict[str, Any]) -> float:
    task = Get(**order["fields"], uri=f"s3://{order['bucket']}/{order['key']}")
    began = time.perf_counter()
    assert task.run(ctx).size == Path(order["file"]).stat().st_size
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
