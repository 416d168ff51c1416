"""What the benchmarks run on: SQLite at both durabilities, and PostgreSQL with fsync."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rota.server.application import Application
from rota.settings import Settings
from tests.bench import throwaway
from tests.lab.postgres import Postgres

NAMES = ("process", "power", "postgres")


@dataclass
class Setup:
    """A kind of store. Each `application` and each `database` is a new and empty one."""

    name: str
    folder: Path
    server: Postgres | None = None
    _count: Iterator[int] = field(default_factory=itertools.count)

    @property
    def durability(self) -> Literal["power", "process"]:
        """The setting: all but `process` survive a power failure."""
        return "process" if self.name == "process" else "power"

    @contextmanager
    def home(self) -> Iterator[Path]:
        """Yield a folder of its own."""
        home = self.folder / f"{self.name}-{next(self._count)}"
        home.mkdir()
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of an empty database."""
        if self.server is not None:
            with self.server.database() as url:
                yield url
            return
        with self.home() as home:
            yield f"sqlite:///{home / 'bench.db'}"

    @contextmanager
    def application(self) -> Iterator[Application]:
        """Yield an application over a new store, its conductor not yet started."""
        with self.home() as home, self.database() as url:
            if self.server is not None:
                from rota.store.migrate import migrate

                migrate(url)
            app = Application(Settings(home=home, store=url, durability=self.durability))
            app.maintenance.make_key()
            with app:
                yield app


@contextmanager
def setups(names: list[str]) -> Iterator[list[Setup]]:
    """Yield the setups of these names, in a folder that is removed at the end. Raises `ServerFailed`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rota-bench-")))
        throwaway.install(folder / "plugin")
        server = stack.enter_context(Postgres.start(fsync=True)) if "postgres" in names else None
        yield [Setup(name, folder, server if name == "postgres" else None) for name in names]
