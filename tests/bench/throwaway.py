"""A plugin that lives only while the benchmarks run: a task that does nothing, and one that logs lines."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_MODULE = '''
from rota import Context, Task, hookimpl


class Noop(Task):
    """Do nothing."""

    idempotent = True

    def run(self, ctx: Context) -> None:
        return None


class Lines(Task):
    """Log many lines."""

    count: int

    def run(self, ctx: Context) -> None:
        for number in range(self.count):
            ctx.log.info(f"line {number} of what a task has to say about its work")


@hookimpl
def register_task_types():
    return [Noop, Lines]
'''


def install(folder: Path) -> None:
    """Install the plugin `bench` into `folder`, for this process; another one needs `folder` on its PYTHONPATH."""
    info = folder / "rota_bench-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "rota_bench.py").write_text(_MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rota-bench\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rota]\nbench = rota_bench\n")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
