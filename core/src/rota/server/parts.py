"""The parts of a server, each on a thread of its own: kept going when one fails, ended together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
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


Build = Callable[[], "Part"]
"""Makes a part, with the settings of now."""
Listen = Callable[[str], threading.Event]
"""Gives a part, by its name, an event that is set when there is something new."""


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


def parts_of(app: Application, names: frozenset[str], listen: Listen) -> dict[str, Build]:
    """Return what makes the parts to run beside the conductor, by the names of the parts, with the settings of now."""
    found: dict[str, Build] = {}
    if "triggers" in names:
        found["triggers"] = lambda: app.triggers.part(listen("triggers"))
    if "alerts" in names:
        found["alerts"] = lambda: app.alerts.part(listen("alerts"))
    if "flows" in names and app.settings.flows:
        found["flows"] = partial(_flow_folders, app)
    if "hooks" in names:
        found["hooks"] = lambda: _announcer(app, listen("hooks"))
    if "services" in names:
        sections = app.settings.sections
        types = app.plugins.service_types()
        found |= {name: partial(_service, app, name) for name in types if name.partition(".")[0] in sections}
    return found


def _flow_folders(app: Application) -> Part:
    from rota.server.flow_folders import FlowFolders

    return FlowFolders(app)


def _announcer(app: Application, announced: threading.Event) -> Part:
    from rota.server.announcing import Announcer

    return Announcer(app, announced)


def _service(app: Application, name: str) -> Part:
    """Return a service with the fields of its section. Raises SettingsError."""
    section = name.partition(".")[0]
    cls = app.plugins.service_types()[name]
    return ServiceOf(name, validate_section(app.settings, (section,), app.settings.sections[section], cls), app)


class _Kept:
    """A part on its thread, until it is ended; begun anew when it fails, or when it is asked to."""

    def __init__(self, name: str, build: Build, failing: dict[str, str]) -> None:
        """Make the part; whatever that raises is the caller's."""
        self.name = name
        self._build = build
        self._failing = failing
        self._part: Part | None = build()
        self._over = threading.Event()
        self._pause = threading.Event()
        self._late: threading.Timer | None = None
        self.thread = threading.Thread(target=self._keep_up, name=f"rota-{name}", daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Have it end for good."""
        self._over.set()
        self._pause.set()

    def renew(self, build: Build) -> None:
        """Have it end, and another be made when it has."""
        self._build = build
        self._pause.set()
        self._watch()

    def retire(self) -> None:
        """Have it end for good while the others go on."""
        self.end()
        self._watch()

    def _watch(self) -> None:
        """Look, in a while, whether it has done as it was asked; only the last that it was asked counts."""
        if self._late is not None:
            self._late.cancel()
        self._late = threading.Timer(END, self._complain)
        self._late.daemon = True
        self._late.start()

    def _complain(self) -> None:
        if self._over.is_set() and self.thread.is_alive():
            logger.warning("`%s` has not ended %g s after it was asked to", self.name, END)
        elif self._pause.is_set() and not self._over.is_set():
            self._failing[self.name] = "it does not end, and goes on with the settings of before"
            logger.warning("`%s` has not ended %g s after it was asked to: it goes on with the settings of before",
                           self.name, END)  # fmt: skip

    def _keep_up(self) -> None:
        while not self._over.is_set():
            try:
                part, self._part = self._part or self._build(), None
                part.run(self._pause)
            except Exception as error:
                if self._over.is_set():
                    return
                self._failing[self.name] = f"{type(error).__name__}: {error}"
                logger.exception("`%s` failed; it is started again in %g s", self.name, RESTART_AFTER)
            else:
                if self._pause.is_set():
                    self._begin_anew()
                    continue
                logger.warning("`%s` has ended by itself; it is started again in %g s", self.name, RESTART_AFTER)
            self._pause.wait(RESTART_AFTER)
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._failing.pop(self.name, None)
        self._pause.clear()
        if self._over.is_set():
            self._pause.set()


class Running:
    """Parts on their threads."""

    def __init__(self, builds: Mapping[str, Build], wake: Callable[[], object]) -> None:
        """Make and run the parts; `wake` is called when one is to end, for those who wait for something else.

        Raises what keeps a part from being made; none runs then.
        """
        self._wake = wake
        self.failing: dict[str, str] = {}
        """What is wrong with parts that have failed, and are started again later, by name."""
        self._kept: dict[str, _Kept] = {}
        try:
            for name, build in builds.items():
                self._kept[name] = _Kept(name, build, self.failing)
        except BaseException:
            self.end()
            raise

    def renew(self, builds: Mapping[str, Build], affected: Collection[str]) -> None:
        """Run these parts from now on: new ones begin, others end, those that are `affected` begin anew.

        A service is affected when its section is. What cannot be made now is tried again later.
        """
        for name in self._kept.keys() - builds.keys():
            self._kept.pop(name).retire()
        for name, build in builds.items():
            if name not in self._kept:
                self._kept[name] = _Kept(name, build, self.failing)
            elif name in affected or name.partition(".")[0] in affected:
                self._kept[name].renew(build)
        self._wake()

    def end(self) -> None:
        """Have all parts end, and wait for that a while."""
        for kept in self._kept.values():
            kept.end()
        self._wake()
        patience = time.monotonic() + END
        for kept in self._kept.values():
            kept.thread.join(max(0.0, patience - time.monotonic()))
        if left := [f"`{name}`" for name, kept in self._kept.items() if kept.thread.is_alive()]:
            logger.warning("not ended within %g s, and left behind: %s", END, ", ".join(left))
