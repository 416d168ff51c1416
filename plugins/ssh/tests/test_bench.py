"""The benchmark works; its figures are for `make bench`."""

from __future__ import annotations

from plugins.ssh.bench.commands import measure, measure_ansible


def test_the_benchmark_gives_seconds_for_rota_and_for_paramiko() -> None:
    own, bare = measure(3, rounds=1)
    assert own > 0
    assert bare > 0


def test_the_benchmark_gives_seconds_for_ansible_too() -> None:
    own, ansible = measure_ansible(2)
    assert min(own, ansible) > 0
