"""Finds and reads `rota.yaml` and the `ROTA_*` variables, and says file, line and column of what is wrong there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from rota.errors import FlowError, PluginError, SettingsError
from rota.flows.alerts import AlertRule
from rota.flows.phrases import sentence
from rota.flows.similar import did_you_mean
from rota.settings.models import KeyPath, NamespaceSettings, Settings

if TYPE_CHECKING:
    from rota.flows.document import Document

M = TypeVar("M", bound=BaseModel)

FILE = "rota.yaml"
SCALARS = frozenset(
    "home store artifacts durability secret_key_file workers drain_timeout timezone lease grace max_abandoned "
    "max_inline".split()
)
"""The keys that a `ROTA_*` variable may give."""
_NO_PLUGIN = "if it is the section of a plugin: no plugin `{name}` is installed"
_PATHS = ("home", "secret_key_file", "artifacts", "store")


def load_settings(
    file: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    plugin_names: Callable[[], Iterable[str]] = tuple,
) -> Settings:
    """Return the settings from `file` (default: the one that is found) and the variables in `env`.

    `plugin_names` gives the names of the installed plugins, which may have sections; it is called only for
    keys that are not Rota's own. Raises SettingsError naming every fault with its place.
    """
    env = os.environ if env is None else env
    path = find_settings(file, env)
    document = _read(path) if path else None
    written = _mapping(document, path)
    values = {key: _from_folder(key, value, path.parent) for key, value in written.items()} if path else {}
    sections = _sections(values, plugin_names)
    given = {key: env[f"ROTA_{key.upper()}"] for key in SCALARS if env.get(f"ROTA_{key.upper()}")}
    values |= {key: _from_folder(key, value, Path.cwd()) for key, value in given.items()}
    values.setdefault("home", str(_home(path)))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_texts(error, document, given))) from None
    settings._file, settings._sections = path, sections  # noqa: SLF001 - they are no keys of the model
    settings._places = document.places if document else None  # noqa: SLF001
    if settings.alerts:
        _check_rules(settings)
    return settings


def find_settings(file: Path | None, env: Mapping[str, str]) -> Path | None:
    """Return the settings file: `file`, `ROTA_SETTINGS`, `./rota.yaml`, or the user's own; None where there is none.

    Raises SettingsError when the one that was asked for is not there.
    """
    asked = file or (Path(env["ROTA_SETTINGS"]) if env.get("ROTA_SETTINGS") else None)
    if asked is not None:
        if not asked.is_file():
            source = "`--settings`" if file else "`ROTA_SETTINGS`"
            raise SettingsError(f"{source} names `{asked}`, which is not a file", hint="`rota init` writes one")
        return asked.absolute()
    return next((path.absolute() for path in (Path(FILE), _user_folder() / FILE) if path.is_file()), None)


def class_of(settings: Settings, path: KeyPath, name: str, find: Callable[[str], type[M]]) -> type[M]:
    """Return the class of the type `name` that the section at `path` has, as `find` finds it among the plugins.

    Raises SettingsError, with the place, where there is none.
    """
    try:
        return find(name)
    except PluginError as error:
        raise settings.error((*path, "type"), error.message, error.hint) from None


def validate_section(settings: Settings, path: KeyPath, fields: Mapping[str, Any], cls: type[M]) -> M:
    """Return `fields`, which stand at `path` in the settings, as an instance of the plugin's class `cls`.

    Relative paths count from the settings file. Raises SettingsError with the place of each fault.
    """
    try:
        return cls.model_validate(_rooted(settings, fields, cls))
    except ValidationError as error:
        raise _faulty(settings, path, cls, error.errors()) from None


def check_section(settings: Settings, path: KeyPath, fields: Mapping[str, Any], cls: type[BaseModel]) -> None:
    """Raise SettingsError for what is wrong with `fields` as they are written: what has expressions may be right."""
    from rota.flows.unrendered import sure_errors

    if faults := [fault for _, _, fault in sure_errors(cls, _rooted(settings, fields, cls))]:
        raise _faulty(settings, path, cls, faults)


def _rooted(settings: Settings, fields: Mapping[str, Any], cls: type[BaseModel]) -> dict[str, Any]:
    """Return `fields` with relative paths made to count from the settings file."""
    values = dict(fields)
    for name, info in cls.model_fields.items():
        key = info.alias or name
        written = values.get(key)
        if isinstance(written, str) and "{{" not in written and _takes_path(info.annotation):
            values[key] = settings.folder / Path(written).expanduser()
    return values


def _faulty(settings: Settings, path: KeyPath, cls: type[BaseModel], faults: Iterable[Any]) -> SettingsError:
    known = [info.alias or name for name, info in cls.model_fields.items()]
    placed = [(*_at(settings, path, fault), _sentence(dict(fault), known)) for fault in faults]
    return SettingsError("\n".join(f"{place}: {text}" for *_, place, text in sorted(placed)))


def _at(settings: Settings, path: KeyPath, fault: Any) -> tuple[int, int, str]:
    place = settings.place((*path, *fault["loc"]), key=fault["type"] == "extra_forbidden")
    return place.line, place.column, str(place)


def _takes_path(annotation: Any) -> bool:
    from typing import get_args

    return annotation is Path or Path in get_args(annotation)


def _user_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("rota", appauthor=False))


def _home(file: Path | None) -> Path:
    if file is not None and file.parent != _user_folder().absolute():
        return file.parent / ".rota"
    import platformdirs

    return Path(platformdirs.user_data_dir("rota", appauthor=False))


def _read(path: Path) -> Document:
    from rota.flows.document import parse_document

    try:
        return parse_document(path.read_bytes(), _shown(path))
    except OSError as error:
        raise SettingsError(f"`{path}` cannot be read: {error.strerror}") from None
    except FlowError as error:
        lines = [
            f"{finding.place}: {finding.message}" + (f"\n  hint: {finding.hint}" if finding.hint else "")
            for finding in error.findings
        ]
        raise SettingsError("\n".join(lines)) from None


def _shown(path: Path) -> str:
    """Return `path` as a person in the current folder would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _mapping(document: Document | None, path: Path | None) -> dict[str, Any]:
    data = document.data if document else None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(f"{_shown(path) if path else FILE}:1:1: the settings are a mapping: `workers: 8`")
    return data


def _from_folder(key: str, value: Any, folder: Path) -> Any:
    """Return `value` with a relative path in it made absolute."""
    if key == "flows" and isinstance(value, list):
        return [str(folder / Path(item).expanduser()) if isinstance(item, str) else item for item in value]
    if key == "artifacts" and isinstance(value, dict) and value.get("type", "folder") == "folder":
        return {name: _from_folder("home", item, folder) if name == "path" else item for name, item in value.items()}
    if key not in _PATHS or not isinstance(value, str):
        return value
    if key == "store":
        return _store_url(value, folder)
    return str(folder / Path(value).expanduser())


def _store_url(value: str, folder: Path) -> str:
    """Return a database URL: a bare path is a file of SQLite, and relative files count from `folder`."""
    scheme, separator, rest = value.partition(":///")
    if not separator:
        scheme, rest = (value, "") if "://" in value else ("sqlite", value)
    if not rest or not scheme.startswith("sqlite"):
        return value
    name, question, options = rest.partition("?")
    return f"{scheme}:///{folder / Path(name).expanduser()}{question}{options}"


def _sections(values: dict[str, Any], plugin_names: Callable[[], Iterable[str]]) -> dict[str, dict[str, Any]]:
    """Take the sections of service plugins out of `values`, and return them."""
    others = {key: value for key, value in values.items() if key not in Settings.model_fields}
    if not others:
        return {}
    plugins = set(plugin_names())
    return {key: values.pop(key) for key, value in others.items() if key in plugins and isinstance(value, dict)}


def _texts(error: ValidationError, document: Document | None, given: Mapping[str, str]) -> list[str]:
    """Return the faults as text, those of the file in its order, those of variables after them."""
    placed: list[tuple[int, int, str]] = []
    for fault in error.errors():
        path: KeyPath = fault["loc"]
        text = _sentence(dict(fault), _known(path), _NO_PLUGIN if len(path) == 1 else "")
        if path and path[0] in given:
            placed.append((sys.maxsize, 0, f"ROTA_{str(path[0]).upper()}: {text}"))
        elif document:
            places = document.places
            place = places.key(path) if fault["type"] == "extra_forbidden" else places.value(path)
            placed.append((place.line, place.column, f"{place}: {text}"))
        else:
            placed.append((0, 0, text))
    return [text for *_, text in sorted(placed)]


def _known(path: KeyPath) -> list[str]:
    if path[:1] == ("alerts",) and len(path) > 2:
        return list(AlertRule.model_fields)
    model = NamespaceSettings if path[:1] == ("namespaces",) and len(path) > 2 else Settings
    return list(model.model_fields)


def _check_rules(settings: Settings) -> None:
    from rota.settings.alerts import rule_faults

    faults = [
        f"{settings.place(path)}: {message}" + (f"\n  hint: {hint}" if hint else "")
        for path, message, hint in rule_faults(settings)
    ]
    if faults:
        raise SettingsError("\n".join(faults))


def _sentence(fault: dict[str, Any], known: Iterable[str], otherwise: str = "") -> str:
    """Return one of pydantic's errors as a sentence that names the key; `otherwise` is the hint where none is known."""
    path = [part for part in fault["loc"] if part != "[key]"]
    name = ".".join(str(part) for part in path)
    if fault["type"] == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), known, what="known are") or otherwise.format(name=name)
        return f"unknown key `{name}`" + (f"\n  hint: {hint}" if hint else "")
    return sentence(name, [fault])
