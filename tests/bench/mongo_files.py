"""`mongo.export` and `mongo.import` of many small documents, beside bare pymongo (ROTA_BENCH_DOCUMENTS: how many)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from plugins.mongo.bench.files import DOCUMENTS, measure

from tests.bench.result import Result
from tests.bench.setups import Setup

ONLY = ("process",)
RATIO, GROWTH = 1.3, 1.2
"""How many times bare pymongo's seconds it may take, and the memory for a tenth of the documents."""


def run(setup: Setup) -> Iterator[Result]:
    """Measure processes of their own; the floor is bare pymongo, and for memory the same task with a tenth."""
    documents = int(os.environ.get("ROTA_BENCH_DOCUMENTS", DOCUMENTS))
    for one in measure(documents):
        name = f"mongo.{one.task} {one.format}, {documents:,}"
        yield Result(name, "lab", "s", one.seconds, one.bare_seconds, RATIO * one.bare_seconds, less=True)
        most = GROWTH * one.megabytes_of_a_tenth
        yield Result(name, "lab", "MB", one.megabytes, one.megabytes_of_a_tenth, most, less=True)
