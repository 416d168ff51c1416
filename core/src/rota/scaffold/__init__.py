"""Writes a new plugin: a package that installs, with one task type, and tests that pass as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from rota.discovery import CORE, KNOWN
from rota.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9_-]*[a-z0-9]")
_RESERVED = frozenset({CORE, "kv", *KNOWN})
_SUFFIX = ".tmpl"


def new_plugin(name: str, folder: Path | None = None) -> list[Path]:
    """Write the plugin `name` into `folder` (default: `rota-<name>` here) and return its files.

    Its types are `<name>.…`, its dist is `rota-<name>`, its module `rota_<name>`. Raises UsageError, with
    nothing written, for a name that will not do and for a folder that is not empty.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"`{name}` is no name for a plugin",
            hint="lower-case letters, digits, `_` and `-`, two at least, a letter first: `tcp`",
        )
    if name in _RESERVED:
        raise UsageError(f"the name `{name}` is taken by Rota", hint="choose another, such as that of your team")
    folder = folder or Path(f"rota-{name}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"`{folder}` is there already", hint="name an empty folder, or one that is not there yet")
    words = {"name": name, "dist": f"rota-{name}".replace("_", "-"), "module": f"rota_{name}".replace("-", "_")}
    written = []
    for path, text in _templates(files("rota.scaffold") / "plugin", Path()):
        place = folder / Template(str(path)).substitute(words)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(Template(text).substitute(words), encoding="utf-8")
        written.append(place)
    return sorted(written)


def _templates(folder: Traversable, path: Path) -> Iterator[tuple[Path, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _templates(item, path / item.name)
        elif item.name.endswith(_SUFFIX):
            yield path / item.name.removesuffix(_SUFFIX), item.read_text(encoding="utf-8")
