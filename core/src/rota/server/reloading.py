"""Reads the settings anew while a server runs: what can change does, what cannot is named."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rota.errors import RotaError
from rota.settings import Settings, check_section, class_of, load_settings, validate_section

if TYPE_CHECKING:
    from rota.server.application import Application

logger = logging.getLogger("rota.server")
FIXED = ("home", "store", "artifacts", "durability", "secret_key_file", "workers", "lease", "grace")
"""The settings that a server has from its start to its end."""
READ_BY = {
    "triggers": ("timezone", "secrets", "namespaces"),
    "alerts": ("timezone", "secrets", "sinks", "alerts"),
    "flows": tuple(Settings.model_fields),
    "hooks": (),
}
"""The settings that a part reads once, when it begins; the flows part looks at all files anew in any case."""


def reload(app: Application) -> frozenset[str] | None:
    """Put the settings file as it is now in force; return the parts that must begin anew.

    What cannot change while a server runs stays as it was, and is named in the log. None: the settings are wrong,
    which is in the log, and those of before stay in force.
    """
    try:
        fresh = load_settings(app.settings.file, plugin_names=app.plugins.names)
        check_settings(app, fresh)
    except RotaError as error:
        logger.error("the settings are wrong, those of before stay in force:\n%s", error)  # noqa: TRY400
        return None
    old = app.settings
    changed = [name for name in Settings.model_fields if getattr(fresh, name) != getattr(old, name)]
    if fixed := [name for name in changed if name in FIXED]:
        logger.warning("restart the server for what has changed of %s: until then it is as before", _listed(fixed))
    app.use(fresh.model_copy(update={name: getattr(old, name) for name in FIXED}))
    sections = {name for name in old.sections.keys() | fresh.sections.keys() if _differs(name, old, fresh)}
    said = [*(name for name in changed if name not in FIXED), *sorted(sections)]
    logger.info("read the settings anew: %s", f"changed {_listed(said)}" if said else "nothing else has changed")
    affected = {part for part, names in READ_BY.items() if part == "flows" or not set(names).isdisjoint(changed)}
    return frozenset(affected | sections)


def check_settings(app: Application, settings: Settings) -> None:
    """See that what plugins are given is right, as far as it is written there. Raises SettingsError."""
    from rota.conductor.resources import Resources

    resources = Resources(settings, app.plugins, app.store)
    _ = resources.secret_backends
    check_section(settings, ("artifacts",), settings.artifacts.fields, resources.artifact_class())
    services = app.plugins.service_types()
    for name, cls in services.items():
        section = name.partition(".")[0]
        if section in settings.sections:
            validate_section(settings, (section,), settings.sections[section], cls)
    for index, sink in enumerate(settings.sinks):
        kind = class_of(settings, ("sinks", index), sink.type, app.plugins.alert_sink)
        check_section(settings, ("sinks", index), sink.fields, kind)


def _differs(name: str, old: Settings, fresh: Settings) -> bool:
    return old.sections.get(name) != fresh.sections.get(name)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
