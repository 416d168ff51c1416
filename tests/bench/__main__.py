"""`python -m tests.bench [NAME ...] [--store …] [--json]`: measure the engine beside its floor, in the same run."""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib import import_module

from tests.bench.result import Result, as_json, show
from tests.bench.setups import NAMES, setups

BENCHMARKS = (
    "fan_out",
    "chain",
    "small_executions",
    "schedules",
    "foreach",
    "log_lines",
    "past_executions",
    "memory",
    "commands",
    "ssh_commands",
    "object_puts",
    "mongo_files",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that were named, or all; return 0 unless one of them does not work.

    Ctrl-C ends it with what was measured so far.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(BENCHMARKS)}")
    parser.add_argument("--store", action="append", choices=NAMES, help="default: all of them")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    print(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: what is not Rota's makes it slower", file=sys.stderr
    )
    results, good = _run(options.names or list(BENCHMARKS), options.store or list(NAMES))
    if options.json:
        print(as_json(results))
    else:
        show(results)
    return 0 if good else 1


def _run(names: list[str], stores: list[str]) -> tuple[list[Result], bool]:
    results: list[Result] = []
    good = True
    with setups(stores) as made:
        for name in names:
            module = import_module(f"tests.bench.{name}")
            only = getattr(module, "ONLY", NAMES)
            for setup in (setup for setup in made if setup.name in only):
                began = time.perf_counter()
                try:
                    for result in module.run(setup):
                        results.append(result)
                        print(f"  {result}", file=sys.stderr)
                except KeyboardInterrupt:
                    return results, False
                except AssertionError as error:
                    good = False
                    print(f"{name} ({setup.name}) does not work: {error}", file=sys.stderr)
                print(f"{name} ({setup.name}): {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return results, good


if __name__ == "__main__":
    raise SystemExit(main())
