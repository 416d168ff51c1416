"""Flow files: found in folders, read with the defaults of their namespace, checked against all that is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rota.errors import Finding, NotFound, UsageError

if TYPE_CHECKING:
    from rota.flows.loader import LoadedFlow
    from rota.flows.models import Flow
    from rota.server.application import Application

SUFFIXES = (".yaml", ".yml")


def read_flow(app: Application, path: Path, namespace: str | None = None) -> LoadedFlow:
    """Return the flow in a file with the defaults of its namespace. Raises FlowError, NotFound, UsageError."""
    from rota.flows.loader import load_flow

    def defaults_of(declared: str | None) -> dict[str, dict[str, Any]]:
        return app.settings.namespace_settings(namespace or declared or "default").defaults

    return load_flow(path, defaults_of=defaults_of)


def examine(
    app: Application, loaded: LoadedFlow, namespace: str | None = None, files: Sequence[Path] = ()
) -> list[Finding]:
    """Return all that is wrong with a flow that could be loaded."""
    from rota.flows.checker import check

    deployed = app.flows.lookup() if _names_flows(loaded.flow) else None
    return list(check(loaded, app.plugins, app.settings, flows=deployed, files=files, namespace=namespace))


def flow_files(app: Application, paths: Sequence[Path]) -> list[Path]:
    """Return the flow files that `paths` name, folders searched; without any, those of the setting `flows`.

    A YAML file in a folder is a flow if it has an `id` and `tasks`. Raises NotFound, UsageError.
    """
    given = list(paths) or list(app.settings.flows)
    if not given:
        raise UsageError("no flow file is named", hint="name files or folders, or set `flows` in rota.yaml")
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and _is_flow(file, path))
            if not inside:
                raise NotFound(f"there is no flow in `{path}`", hint="a flow is a YAML file with `id` and `tasks`")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _is_flow(path: Path, folder: Path) -> bool:
    if any(part.startswith(".") for part in path.relative_to(folder).parts):
        return False
    try:
        head = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = [line.split(":")[0] for line in head.splitlines() if line[:1].isalpha() and ":" in line]
    return "id" in lines and "tasks" in lines


def _names_flows(flow: Flow) -> bool:
    """Say whether a flow names others: only then is the database worth the time that opening it takes."""
    from rota.flows.checker.tree import tree_of
    from rota.flows.models import Subflow
    from rota.flows.triggers import FlowTrigger

    after = any(isinstance(trigger, FlowTrigger) for trigger in flow.triggers)
    return after or any(isinstance(site.step, Subflow) for site in tree_of(flow).sites)
