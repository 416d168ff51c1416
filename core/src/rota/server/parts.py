"""The parts of a server, each on a thread of its own: kept going when one fails, ended together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rota.errors import UsageError
from rota.settings import validate_section

if TYPE_CHECKING:
    from rota.extensions import Service
    from rota.server.application import Application

logger = logging.getLogger("rota.server")
RESTART_AFTER = 5.0
"""Seconds until a part that failed is started again."""
END = 5.0
"""Seconds that the parts have to end, before the store is closed under them."""
PARTS = {
    "executions": "run executions of deployed flows",
    "triggers": "start flows: by schedule, after others, by polling",
    "alerts": "tell people what is wrong",
    "flows": "deploy what changes in the folders of the setting `flows`",
    "hooks": "tell plugins of executions' new states",
    "services": "run the services of plugins",
}
"""What `--only` chooses of, and what each is for."""


class Part(Protocol):
    """What a server runs beside its conductor."""

    name: str

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set. When it raises, that is reported, and it is run again later."""


@dataclass
class ServiceOf:
    """The service of a plugin, as a part."""

    name: str
    service: Service
    app: Application

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set."""
        self.service.serve(self.app, stop)


def chosen(only: Iterable[str]) -> frozenset[str]:
    """Return the names of the parts to run: those of `only`, or all. Raises UsageError for one that there is not."""
    names = frozenset(only)
    if unknown := names - PARTS.keys():
        raise UsageError(f"there is no part `{min(unknown)}`", hint=f"the parts are {', '.join(PARTS)}")
    return names or frozenset(PARTS)


def parts_of(app: Application, names: frozenset[str], listen: Callable[[], threading.Event]) -> Iterator[Part]:
    """Yield the parts to run beside the conductor; `listen` gives an event that is set when there is something new.

    Raises SettingsError for a section of a service that is wrong.
    """
    if "triggers" in names:
        yield app.triggers.part(listen())
    if "alerts" in names:
        yield app.alerts.part(listen())
    if "flows" in names and app.settings.flows:
        from rota.server.flow_folders import FlowFolders

        yield FlowFolders(app)
    if "hooks" in names:
        from rota.server.announcing import Announcer

        yield Announcer(app, listen())
    if "services" in names:
        yield from _services(app)


def _services(app: Application) -> Iterator[Part]:
    for name, cls in app.plugins.service_types().items():
        section = name.partition(".")[0]
        fields = app.settings.sections.get(section)
        if fields is not None:
            yield ServiceOf(name, validate_section(app.settings, (section,), fields, cls), app)


class Running:
    """Parts on their threads."""

    def __init__(self, parts: Iterable[Part], stop: threading.Event, wake: Callable[[], object]) -> None:
        """`wake` is called after `stop` was set, for those who wait for something else."""
        self._stop = stop
        self._wake = wake
        self.failing: dict[str, str] = {}
        """What is wrong with parts that have failed, and are started again later, by name."""
        self._threads = [
            threading.Thread(target=self._keep_up, args=(part,), name=f"rota-{part.name}", daemon=True)
            for part in parts
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Have all parts end, and wait for that a while."""
        self._stop.set()
        self._wake()
        patience = time.monotonic() + END
        for thread in self._threads:
            thread.join(max(0.0, patience - time.monotonic()))

    def _keep_up(self, part: Part) -> None:
        while not self._stop.is_set():
            try:
                part.run(self._stop)
            except Exception as error:
                if self._stop.is_set():
                    return
                self.failing[part.name] = f"{type(error).__name__}: {error}"
                logger.exception("`%s` failed; it is started again in %g s", part.name, RESTART_AFTER)
            else:
                if self._stop.is_set():
                    return
                logger.warning("`%s` has ended by itself; it is started again in %g s", part.name, RESTART_AFTER)
            if not self._stop.wait(RESTART_AFTER):
                self.failing.pop(part.name, None)
