"""`objectstore.put` of 500 small objects, and put and get of a large one, beside bare obstore (ROTA_BENCH_MEBIBYTES: how large)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from plugins.objectstore.bench.puts import OBJECTS, measure_large, measure_small

from tests.bench.result import Result
from tests.bench.setups import Setup

ONLY = ("process",)
RATIO, GROWTH = 1.2, 20.0
"""How many times obstore's seconds it may take, and how many MB more than for an eighth of the size."""


def run(setup: Setup) -> Iterator[Result]:
    """Measure against the lab's S3, which works on this machine too."""
    mebibytes = int(os.environ.get("ROTA_BENCH_MEBIBYTES", "1024"))
    small, large = measure_small(), measure_large(mebibytes << 20)
    yield Result(f"objectstore.put, {OBJECTS} small", "lab", "s", small.own, small.bare, RATIO * small.bare, less=True)
    for task, one in large.items():
        name = f"objectstore.{task}, {mebibytes:,} MiB"
        aim, eighth = None if task == "get" else RATIO * one.bare, one.megabytes_of_an_eighth
        yield Result(name, "lab", "s", one.own, one.bare, aim, less=True)
        yield Result(name, "lab", "MB", one.megabytes, eighth, eighth + GROWTH, less=True)
