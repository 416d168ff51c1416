"""The benchmark works; its figures are for `make bench`."""

from __future__ import annotations

from plugins.mongo.bench.files import measure


def test_the_benchmark_gives_seconds_and_memory_for_rota_and_for_pymongo() -> None:
    found = list(measure(500, ["jsonl"]))
    assert [(one.task, one.format) for one in found] == [("export", "jsonl"), ("import", "jsonl")]
    for one in found:
        assert min(one.seconds, one.bare_seconds, one.megabytes, one.megabytes_of_a_tenth) > 0
