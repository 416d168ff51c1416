"""The benchmark works; its figures are for `make bench`."""

from __future__ import annotations

from plugins.objectstore.bench.puts import measure_large, measure_small


def test_the_benchmark_gives_seconds_for_rota_and_for_obstore() -> None:
    small, large = measure_small(20, rounds=1), measure_large(16 << 20)
    assert min(small.own, small.bare, large.own, large.bare) > 0
