"""`ssh.command` over 50 hosts beside bare paramiko and beside `ansible -m raw`, and over 500 hosts."""

from __future__ import annotations

from collections.abc import Iterator

from plugins.ssh.bench.commands import measure, measure_ansible

from tests.bench.result import Result
from tests.bench.setups import Setup

ONLY = ("process",)
FEW, MANY, PARALLEL = 50, 500, 100
RATIO, TIMES_ANSIBLE, LINEAR = 1.5, 10, 1.3


def run(setup: Setup) -> Iterator[Result]:
    """Measure on simulated hosts, all on this machine: it works for both sides of each connection."""
    own, bare = measure(FEW)
    yield Result(f"ssh.command, {FEW} hosts", "lab", "s", own, bare, RATIO * bare, less=True)
    own, ansible = measure_ansible(FEW)
    aim = ansible / TIMES_ANSIBLE
    yield Result(f"ssh.command, {FEW} hosts; ansible -m raw", "lab", "s", own, ansible, aim, less=True)
    few, _ = measure(MANY // 5, parallel=PARALLEL, rounds=1)
    many, bare = measure(MANY, parallel=PARALLEL, rounds=1)
    yield Result(f"ssh.command, {MANY} hosts, {PARALLEL} at once", "lab", "s", many, bare, LINEAR * 5 * few, less=True)
