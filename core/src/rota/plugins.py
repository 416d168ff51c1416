"""The plugins: found by entry point, imported when one of their types is asked for, reported when broken.

A type `ssh.command` loads the entry point `ssh` and nothing else; the core's own types need no look at what
is installed. Listing everything (`all`, `type_names`, `service_types`, `filters`) imports every plugin.
"""

from __future__ import annotations

import difflib
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import pluggy

from rota import __version__, discovery, hookspecs
from rota.discovery import CORE, KNOWN, Entry
from rota.errors import PluginError
from rota.extensions import AlertSink, ArtifactStore, Executor, Extension, SecretBackend, Service, Task, Trigger
from rota.registration import KINDS, HookManager, Registered, collect

_CORE_ENTRY = Entry(CORE, "rota.builtin", "rota", __version__)


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """An installed plugin as `rota plugins` shows it.

    `types` has the type names by kind (`task type`, `trigger`, …, `filter`); `broken` is the reason why the
    plugin cannot be used, and empty for a good one.
    """

    name: str
    dist: str
    version: str
    module: str
    types: Mapping[str, list[str]]
    broken: str = ""


@dataclass(slots=True)
class _Plugin:
    """A plugin that was asked for: imported and registered, or `broken` and why."""

    entry: Entry
    module: ModuleType | None = None
    registered: Registered | None = None
    broken: str = ""


class Plugins:
    """The installed plugins; safe to use from several threads.

    What is asked for by a type name raises PluginError, with a hint, for a name that nobody provides and for
    a plugin that is broken. Nothing else raises: broken plugins are left out and `all()` says why.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._plugins: dict[str, _Plugin] = {}
        self._entries: dict[str, list[Entry]] | None = None
        self._types: dict[tuple[str, str], type[Extension]] = {}
        self._manager = HookManager(self._blame)
        self._manager.add_hookspecs(hookspecs)

    # --- by name ---

    def task_type(self, name: str) -> type[Task]:
        """Return the class of the task type `ssh.command`."""
        return cast("type[Task]", self._find("task type", name))

    def trigger_type(self, name: str) -> type[Trigger]:
        """Return the class of a polling trigger."""
        return cast("type[Trigger]", self._find("trigger", name))

    def secret_backend(self, name: str) -> type[SecretBackend]:
        """Return the class of a secret backend."""
        return cast("type[SecretBackend]", self._find("secret backend", name))

    def alert_sink(self, name: str) -> type[AlertSink]:
        """Return the class of an alert sink."""
        return cast("type[AlertSink]", self._find("alert sink", name))

    def artifact_store(self, name: str) -> type[ArtifactStore]:
        """Return the class of an artifact store."""
        return cast("type[ArtifactStore]", self._find("artifact store", name))

    def executor(self, name: str) -> type[Executor]:
        """Return the class of an executor."""
        return cast("type[Executor]", self._find("executor", name))

    def plugin_version(self, name: str) -> str:
        """Return the version of the dist that provides the type `name`, of whatever kind; empty when unknown."""
        plugin = self._provider(name)
        return plugin.entry.version if plugin else ""

    # --- all of them ---

    def names(self) -> list[str]:
        """Return the names of the installed plugins, the core left out, without importing any."""
        return sorted(self._installed())

    def service_types(self) -> dict[str, type[Service]]:
        """Return the services by type name; the plugin's name is what stands before the dot."""
        return cast("dict[str, type[Service]]", self._all_types("service"))

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of all plugins. It imports them all: ask when an unknown filter is met, not before."""
        self._load_all()
        with self._lock:
            good = [plugin.registered for plugin in self._plugins.values() if plugin.registered]
            return {name: function for registered in good for name, function in registered.filters.items()}

    def type_names(self, kind: str) -> list[str]:
        """Return the names of all types of `kind` (a key of `rota.registration.KINDS`), sorted."""
        return sorted(self._all_types(kind))

    def all(self) -> list[PluginInfo]:
        """Return every installed plugin, the core first; both of two that share a name."""
        self._load_all()
        with self._lock:
            infos = [self._info(self._plugins[CORE])]
            for name, entries in sorted(self._installed().items()):
                infos += [_refused(entry) if entry.refused else self._info(self._plugins[name]) for entry in entries]
            return infos

    def execution_changed(self, execution: Mapping[str, Any]) -> list[str]:
        """Tell every plugin that implements the hook; return what went wrong, one line per plugin."""
        self._load_all()
        with self._lock:
            plugins = [plugin for plugin in self._plugins.values() if plugin.module and not plugin.broken]
        problems = []
        for plugin in plugins:
            try:
                self._caller(plugin, "execution_changed")(execution=execution)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and must not stop the others
                problems.append(f"{plugin.entry}: {_reason(error)}")
        return problems

    def unknown(self, kind: str, name: str, also: Iterable[str] = ()) -> PluginError:
        """Return the error for a type that nobody provides, with the plugin to install or what was meant.

        `also` are further names that would have been right, such as the control types.
        """
        prefix, dot, _ = name.partition(".")
        plugin = self._load(prefix) if dot else None
        if plugin and plugin.broken:
            return _broken(plugin)
        message = f"unknown {kind} `{name}`" + (f": the plugin {plugin.entry} has none of that name" if plugin else "")
        if not plugin and (known := prefix if dot else name) in KNOWN and known not in self._installed():
            return PluginError(message, hint=f"rota-{known} provides {known}.*: pip install rota-{known}")
        return PluginError(message, hint=self._meant(kind, name, also))

    # --- inside ---

    def _find(self, kind: str, name: str) -> type[Extension]:
        if cls := self._types.get((kind, name)):
            return cls
        plugin = self._provider(name)
        if plugin and plugin.broken:
            raise _broken(plugin)
        cls = plugin.registered.types[kind].get(name) if plugin and plugin.registered else None
        if cls is None or plugin is None:
            raise self.unknown(kind, name)
        _build(plugin, kind, name, cls)
        self._types[kind, name] = cls
        return cls

    def _provider(self, name: str) -> _Plugin | None:
        """Return the plugin of a type: the core where it knows the name, or else the one of the prefix."""
        core = self._load(CORE)
        if core and core.registered and any(name in types for types in core.registered.types.values()):
            return core
        prefix, dot, _ = name.partition(".")
        if dot and prefix != CORE:
            return self._load(prefix)
        return core

    def _installed(self) -> dict[str, list[Entry]]:
        with self._lock:
            if self._entries is None:
                self._entries = discovery.installed()
            return self._entries

    def _load_all(self) -> None:
        for name in [CORE, *self._installed()]:
            self._load(name)

    def _load(self, name: str) -> _Plugin | None:
        """Import and register the plugin `name` once; None where it is not installed."""
        if plugin := self._plugins.get(name):
            return plugin
        with self._lock:
            if plugin := self._plugins.get(name):
                return plugin
            entry = _CORE_ENTRY if name == CORE else next(iter(self._installed().get(name, ())), None)
            if entry is None:
                return None
            plugin = _Plugin(entry, broken=entry.refused)
            if not plugin.broken:
                self._register(plugin)
            self._plugins[name] = plugin
            return plugin

    def _register(self, plugin: _Plugin) -> None:
        try:
            plugin.module = import_module(plugin.entry.module)
            self._manager.register(plugin.module, plugin.entry.name)
            self._caller(plugin, "add_hookspecs")(manager=self._manager)
            self._manager.check_hooks(plugin.module)
            prefix = "" if plugin.entry.name == CORE else plugin.entry.name
            plugin.registered = collect(lambda hook: self._caller(plugin, hook), prefix)
            self._refuse_taken(plugin, plugin.registered)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - importing a plugin runs anything
            self._break(plugin, _reason(error))

    def _refuse_taken(self, plugin: _Plugin, registered: Registered) -> None:
        for other in self._plugins.values():
            if other.registered is None:
                continue
            for kind in KINDS:
                for name in registered.types[kind].keys() & other.registered.types[kind].keys():
                    raise PluginError(f"the {kind} `{name}` is provided by {other.entry} too")
            for name in registered.filters.keys() & other.registered.filters.keys():
                raise PluginError(f"the filter `{name}` is provided by {other.entry} too")

    def _caller(self, plugin: _Plugin, hook: str) -> pluggy.HookCaller:
        others = [module for module in self._manager.get_plugins() if module is not plugin.module]
        return self._manager.subset_hook_caller(hook, others)

    def _blame(self, module: object, reason: str) -> None:
        for plugin in self._plugins.values():
            if plugin.module is module:
                self._break(plugin, reason)

    def _break(self, plugin: _Plugin, reason: str) -> None:
        plugin.broken, plugin.registered = reason, None
        if plugin.module is not None and self._manager.is_registered(plugin.module):
            self._manager.unregister(plugin.module)

    def _all_types(self, kind: str) -> dict[str, type[Extension]]:
        self._load_all()
        with self._lock:
            good = [plugin.registered for plugin in self._plugins.values() if plugin.registered]
            return {name: cls for registered in good for name, cls in registered.types[kind].items()}

    def _info(self, plugin: _Plugin) -> PluginInfo:
        entry, registered = plugin.entry, plugin.registered or Registered()
        types = {kind: sorted(classes) for kind, classes in registered.types.items()} | {
            "filter": sorted(registered.filters)
        }
        shown = {kind: names for kind, names in types.items() if names}
        return PluginInfo(entry.name, entry.dist, entry.version, entry.module, shown, plugin.broken)

    def _meant(self, kind: str, name: str, also: Iterable[str]) -> str:
        names = [*self.type_names(kind), *also]
        if near := difflib.get_close_matches(name, names, n=1, cutoff=0.7):
            return f"did you mean `{near[0]}`?"
        if known := difflib.get_close_matches(name.partition(".")[0], set(KNOWN) - set(self._installed()), n=1):
            return f"did you mean {known[0]}.*? rota-{known[0]} provides it: pip install rota-{known[0]}"
        if own := [other for other in names if other.startswith(f"{name.partition('.')[0]}.")]:
            return f"there is {', '.join(f'`{other}`' for other in own)}"
        return "`rota plugins` lists what is installed"


def _refused(entry: Entry) -> PluginInfo:
    return PluginInfo(entry.name, entry.dist, entry.version, entry.module, {}, entry.refused)


def _broken(plugin: _Plugin) -> PluginError:
    if plugin.entry.refused:
        return PluginError(plugin.entry.refused)
    return PluginError(f"the plugin {plugin.entry} is broken: {plugin.broken}", hint="`rota plugins` lists the rest")


def _build(plugin: _Plugin, kind: str, name: str, cls: type[Extension]) -> None:
    """Have pydantic build the model now: a wrong annotation is then the plugin's error, not the flow's."""
    try:
        cls.model_rebuild()
    except Exception as error:
        raise PluginError(f"the {kind} `{name}` of {plugin.entry} cannot be used: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return one line: the error, and where it was raised unless it is our own finding."""
    if isinstance(error, PluginError):
        return error.message
    text = f"{type(error).__name__}: {' '.join(str(error).split())}" if str(error) else type(error).__name__
    if isinstance(error, (SyntaxError, pluggy.PluginValidationError)):
        return text
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
