"""`Application`: the one facade over flows, executions, locks, keys and values, and plugins."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rota.plugins import Plugins
from rota.settings import Settings, load_settings

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor
    from rota.conductor.resources import Resources
    from rota.server.alerts import Alerts
    from rota.server.executions import Executions
    from rota.server.flows import Flows
    from rota.server.maintenance import Maintenance
    from rota.server.triggers import Triggers
    from rota.server.values import Locks, Values
    from rota.store import Store


class Application:
    """Rota in one process. Open it with `with Application.open() as app:`.

    Attributes:
        settings: the settings in force.
        plugins: what is installed.
        flows: deploy, list, show, diff, export, delete flows.
        executions: start, list, show, watch, cancel, restart, replay, resume executions; their logs.
        values: the key-value stores of namespaces.
        locks: who holds which lock, and who waits.
        alerts: what people were told, silences, sinks, and what is wrong apart from executions.
        triggers: what starts flows: list, show, enable, disable, fire; backfills; webhooks.
        maintenance: keys, migration, purging.
    """

    def __init__(self, settings: Settings, plugins: Plugins | None = None) -> None:
        self.settings = settings
        self.plugins = plugins or Plugins()
        self._conductor: Conductor | None = None
        self._guard = threading.Lock()

    @classmethod
    def open(cls, settings_file: Path | str | None = None) -> Self:
        """Return the application with the settings of `settings_file`, or of the file that is found.

        The store is opened when it is first needed. Raises SettingsError.
        """
        plugins = Plugins()
        file = None if settings_file is None else Path(settings_file)
        return cls(load_settings(file, plugin_names=plugins.names), plugins)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def store(self) -> Store:
        """The open store; a missing SQLite file is created. Raises StoreError."""
        from rota.store import open_store

        if self.settings.store.startswith("sqlite"):
            self.settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_store(self.settings.store, durability=self.settings.durability)

    @cached_property
    def writable(self) -> Store:
        """The store, for those who write: first, what `rota run` processes that have died left is marked as lost."""
        if self._conductor is None:  # a conductor does so itself
            from rota.conductor.recovery import bury

            bury(self.store, self.settings.lease.total_seconds())
        return self.store

    @cached_property
    def resources(self) -> Resources:
        """What executions run with."""
        from rota.conductor.resources import Resources
        from rota.flows.templates import use_filters

        use_filters(self.plugins.filters)
        return Resources(self.settings, self.plugins, self.store)

    @cached_property
    def flows(self) -> Flows:
        from rota.server.flows import Flows

        return Flows(self)

    @cached_property
    def executions(self) -> Executions:
        from rota.server.executions import Executions

        return Executions(self)

    @cached_property
    def values(self) -> Values:
        from rota.server.values import Values

        return Values(self)

    @cached_property
    def locks(self) -> Locks:
        from rota.server.values import Locks

        return Locks(self)

    @cached_property
    def alerts(self) -> Alerts:
        from rota.server.alerts import Alerts

        return Alerts(self)

    @cached_property
    def triggers(self) -> Triggers:
        from rota.server.triggers import Triggers

        return Triggers(self)

    @cached_property
    def maintenance(self) -> Maintenance:
        from rota.server.maintenance import Maintenance

        return Maintenance(self)

    def conductor(self, *, server: bool = False) -> Conductor:
        """Return this process's conductor, started if need be. `server`: it takes executions that nobody owns."""
        from rota.conductor.conductor import Conductor

        with self._guard:
            if self._conductor is None:
                conductor = Conductor(self.resources, server=server)
                conductor.start()
                self._conductor = conductor
            return self._conductor

    @property
    def running(self) -> Conductor | None:
        """This process's conductor, if it was started."""
        return self._conductor

    def serve(self, stop: threading.Event, **options: Any) -> None:
        """Run deployed flows until `stop` is set, then drain; see `rota.server.serve` for the options."""
        from rota.server.serve import serve

        serve(self, stop, **options)

    def use(self, settings: Settings) -> None:
        """Put other settings in force for all that begins from now on."""
        self.settings = settings
        if "resources" in self.__dict__:
            self.resources.use(settings)
        if self._conductor is not None:
            self._conductor.revisions.forget()

    def wake(self) -> None:
        """Have the parts of a server in this process look at once: it has changed what they wait for."""
        if self._conductor is not None:
            self._conductor.announce()

    def hurry(self) -> None:
        """End what runs, instead of letting `close` wait for it; may be called from a signal handler."""
        conductor = self._conductor
        if conductor is not None:
            conductor.hurry()

    def close(self, drain: float | None = 0) -> None:
        """Stop the conductor and close the store; `drain` seconds are left to what runs (None: `drain_timeout`)."""
        conductor = self._conductor
        if conductor is not None:
            conductor.stop(drain)
            self._conductor = None
        self.__dict__.pop("writable", None)
        store = self.__dict__.pop("store", None)
        if store is not None:
            store.close()
