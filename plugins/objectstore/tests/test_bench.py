"""The benchmark works; its figures are for `make bench`."""

from __future__ import annotations

from plugins.objectstore.bench.puts import measure_large, measure_small


def test_the_benchmark_gives_seconds_for_rota_and_for_obstore() -> None:
    small, large = measure_small(20, rounds=1), measure_large(16 << 20)
    assert list(large) == ["put", "put over", "get"]
    assert all(min(one.own, one.bare) > 0 for one in (small, *large.values()))
    assert all(one.megabytes > 0 for one in large.values())
