"""What one plugin brings: its hooks are asked, and what they return is checked before anybody relies on it."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pluggy

from rota.errors import PluginError
from rota.extensions import (
    TASK_KEYS,
    TRIGGER_KEYS,
    AlertSink,
    ArtifactStore,
    Executor,
    Extension,
    SecretBackend,
    Service,
    Task,
    Trigger,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of extension: the hook that registers it, its class, and the keys its fields must not take."""

    name: str
    hook: str
    parent: type[Extension]
    reserved: frozenset[str] = frozenset()


KINDS = {
    kind.name: kind
    for kind in (
        Kind("task type", "register_task_types", Task, TASK_KEYS),
        Kind("trigger", "register_triggers", Trigger, TRIGGER_KEYS),
        Kind("secret backend", "register_secret_backends", SecretBackend, frozenset({"id", "type", "namespaces"})),
        Kind("alert sink", "register_alert_sinks", AlertSink, frozenset({"id", "type", "limit"})),
        Kind("artifact store", "register_artifact_stores", ArtifactStore, frozenset({"type"})),
        Kind("service", "register_services", Service),
        Kind("executor", "register_executors", Executor),
    )
}
"""The kinds by name; a name is unique within its kind only (the core has a task type and a sink `log`)."""


@dataclass(slots=True)
class Registered:
    """What a plugin brings: classes by kind and type name, and filters by name."""

    types: dict[str, dict[str, type[Extension]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    filters: dict[str, Callable[..., Any]] = field(default_factory=dict)


def collect(caller: Callable[[str], Callable[[], list[Any]]], prefix: str) -> Registered:
    """Ask the hooks of one plugin, given by `caller(hook)`, and return what it brings.

    `prefix` is the plugin's name, or empty for the core. Raises PluginError with the reason when a
    hook returns what it must not; whatever a hook raises comes through.
    """
    registered = Registered()
    for kind in KINDS.values():
        for result in caller(kind.hook)():
            for cls in _listed(kind.hook, result):
                _add(registered.types[kind.name], kind, prefix, cls)
    for result in caller("register_filters")():
        registered.filters |= _filters(result)
    return registered


def type_name(prefix: str, cls: type[Extension]) -> str:
    """Return the name of `cls` in flows: the plugin's name, a dot, and the class name in snake case.

    `type_name` of the class replaces the snake case, and may be written with the prefix or without.
    """
    own = cls.__dict__.get("type_name") or snake_case(cls.__name__)
    return own if not prefix or own.startswith(f"{prefix}.") else f"{prefix}.{own}"


def snake_case(name: str) -> str:
    """Return a class name as it is spelled in flows: `HTTPRequest` is `http_request`.

    >>> snake_case("KeyRotation2")
    'key_rotation2'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def written_names(cls: type[Extension]) -> list[str]:
    """Return the field names as a flow writes them: the alias of a field where it has one."""
    return [info.alias or name for name, info in cls.model_fields.items()]


def _listed(hook: str, result: object) -> list[Any]:
    if isinstance(result, (str, Mapping)) or not isinstance(result, Iterable):
        raise PluginError(f"`{hook}` returned {_shown(result)}, not a list of classes")
    return list(result)


def _add(types: dict[str, type[Extension]], kind: Kind, prefix: str, cls: Any) -> None:
    if not isinstance(cls, type) or not issubclass(cls, kind.parent):
        raise PluginError(
            f"`{kind.hook}` returned {_shown(cls)}, which is not a subclass of `rota.{kind.parent.__name__}`"
        )
    where = f"`{cls.__module__}.{cls.__qualname__}`"
    if inspect.isabstract(cls):
        missing = ", ".join(f"`{name}`" for name in sorted(cls.__abstractmethods__))
        raise PluginError(f"{where} does not define {missing}")
    if taken := sorted((set(written_names(cls)) | set(cls.model_fields)) & kind.reserved):
        names = ", ".join(f"`{name}`" for name in taken)
        raise PluginError(f"{where} has a field {names}, which is a key of the language; call it something else")
    name = type_name(prefix, cls)
    if (other := types.setdefault(name, cls)) is not cls:
        raise PluginError(
            f"the {kind.name} `{name}` is there twice: {where} and `{other.__module__}.{other.__qualname__}`"
        )


def _filters(result: object) -> dict[str, Callable[..., Any]]:
    if not isinstance(result, Mapping):
        raise PluginError(f"`register_filters` returned {_shown(result)}, not names with functions")
    for name, function in result.items():
        if not (isinstance(name, str) and name.isidentifier() and callable(function)):
            raise PluginError(f"`register_filters` returned {name!r}: {_shown(function)}, not a name with a function")
    return dict(result)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text[:80]}…" if len(text) > 80 else text


class HookManager(pluggy.PluginManager):
    """pluggy's manager, which blames the plugin that does not fit a hook opened later by another.

    `blame(plugin, reason)` is called with the module whose implementation does not fit.
    """

    def __init__(self, blame: Callable[[object, str], None]) -> None:
        super().__init__("rota")
        self._blame = blame

    def add_hookspecs(self, module_or_class: ModuleType | type) -> None:
        """Open the hooks of `module_or_class` one by one: an implementation that does not fit hides no other hook."""
        for name in dir(module_or_class):
            if self.parse_hookspec_opts(module_or_class, name) is None:
                continue
            one = ModuleType(module_or_class.__name__)
            setattr(one, name, getattr(module_or_class, name))
            try:
                super().add_hookspecs(one)
            except pluggy.PluginValidationError as error:
                self._blame(error.plugin, " ".join(str(error).split()))

    def check_hooks(self, plugin: object) -> None:
        """Raise PluginError when `plugin` implements a hook that does not exist and is not marked `optionalhook`."""
        for caller in self.get_hookcallers(plugin) or ():
            optional = all(impl.optionalhook for impl in caller.get_hookimpls() if impl.plugin is plugin)
            if not caller.has_spec() and not optional:
                known = [name for name in vars(self.hook) if getattr(self.hook, name).has_spec()]
                near = difflib.get_close_matches(caller.name, known, n=1)
                meant = f"; did you mean `{near[0]}`?" if near else ""
                raise PluginError(f"there is no hook `{caller.name}`{meant}")
