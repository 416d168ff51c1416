"""`objectstore.put` of 500 small objects and of a large one, beside bare obstore (ROTA_BENCH_MEBIBYTES: how large)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from plugins.objectstore.bench.puts import OBJECTS, measure_large, measure_small

from tests.bench.result import Result
from tests.bench.setups import Setup

ONLY = ("process",)
RATIO, GROWTH = 1.2, 100.0
"""How many times obstore's seconds it may take, and how many MB a large put may need."""


def run(setup: Setup) -> Iterator[Result]:
    """Measure against the lab's S3, which works on this machine too."""
    mebibytes = int(os.environ.get("ROTA_BENCH_MEBIBYTES", "1024"))
    small, large = measure_small(), measure_large(mebibytes << 20)
    yield Result(f"objectstore.put, {OBJECTS} small", "lab", "s", small.own, small.bare, RATIO * small.bare, less=True)
    name = f"objectstore.put, {mebibytes:,} MiB"
    yield Result(name, "lab", "s", large.own, large.bare, RATIO * large.bare, less=True)
    yield Result(name, "lab", "MB more", large.growth, aim=GROWTH, less=True)
