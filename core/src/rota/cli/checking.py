"""Checks flow files before they run or are deployed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rota.errors import Finding, FlowError, NotFound
from rota.server.flow_files import SUFFIXES, examine, read_flow

if TYPE_CHECKING:
    from rota.flows.loader import LoadedFlow
    from rota.server.application import Application


def checked(
    app: Application, path: Path, namespace: str | None = None, *, files: Sequence[Path] = ()
) -> tuple[LoadedFlow, list[Finding]]:
    """Return the flow in a file, and the warnings about it; `files` hold flows that it may name.

    Raises FlowError where there are errors.
    """
    loaded = read_flow(app, path, namespace)
    findings = examine(app, loaded, namespace, files)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise FlowError(errors)
    return loaded, findings


def findings_in(
    app: Application, path: Path, namespace: str | None = None, *, files: Sequence[Path] = ()
) -> list[Finding]:
    """Return all that is wrong with the flow in a file, even if it cannot be loaded."""
    try:
        return examine(app, read_flow(app, path, namespace), namespace, files)
    except FlowError as error:
        return list(error.findings)


def is_file(what: str) -> bool:
    """Return whether FILE|NAMESPACE/ID is meant as a file. Raises NotFound for what can be neither."""
    path = Path(what)
    if path.suffix in SUFFIXES or path.is_file() or path.is_dir():
        return True
    if "/" not in what:
        hint = "a flow file ends in `.yaml`; a deployed flow is named NAMESPACE/ID"
        raise NotFound(f"there is no flow file `{what}`", hint=hint)
    return False
