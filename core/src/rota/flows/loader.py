"""From a flow's YAML to a `Flow`, with every fault told at once as file:line:column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rota.errors import Finding, FlowError, NotFound, Place, UsageError
from rota.flows.defaults import Defaults, apply_defaults
from rota.flows.document import MAX_BYTES, MAX_FINDINGS, parse_document
from rota.flows.faults import findings_of
from rota.flows.files import Collector, FlowFile, Refused
from rota.flows.models import Flow
from rota.flows.places import Places
from rota.flows.structure import check_structure

DefaultsOf = Callable[[str | None], Defaults]
"""Gives the defaults of a namespace, from the settings."""


@dataclass(frozen=True)
class LoadedFlow:
    """A flow and where it came from.

    `flow` has the defaults merged in; `places` finds each key and value of it in `source`. `files` are
    read only when the flow came from a folder. `warnings` did not keep it from loading.
    """

    flow: Flow
    places: Places = field(repr=False)
    source: str = field(repr=False)
    file: str
    files: tuple[FlowFile, ...] = ()
    warnings: tuple[Finding, ...] = ()


def load_flow(path: Path | str, *, defaults_of: DefaultsOf | None = None) -> LoadedFlow:
    """Return the flow in the file at `path`, with the files it names.

    Raises FlowError with every fault, NotFound when there is no such file, UsageError when it cannot be read.
    """
    path = Path(path)
    return parse_flow(_read(path), str(path), folder=path.parent, defaults_of=defaults_of)


def parse_flow(
    source: str | bytes,
    file_name: str = "flow.yaml",
    *,
    folder: Path | None = None,
    defaults_of: DefaultsOf | None = None,
) -> LoadedFlow:
    """Return the flow in `source`; `file_name` is what places call it.

    With `folder`, the `files` of the flow are read from there; without, there are none (those of a
    stored revision are stored with it). Raises FlowError with every fault, in the order of the text.
    """
    document = parse_document(source, file_name)
    data, places = document.data, document.places
    _check_is_mapping(data, places)
    findings = apply_defaults(data, places, _outer(data, defaults_of))
    findings += check_structure(data, places)
    flow = _validate(data, places, findings)
    files = () if folder is None else _collect(data.get("files"), folder, places, findings)
    _refuse_errors(findings)
    assert flow is not None
    return LoadedFlow(flow, places, document.source, file_name, files, _in_order([*document.warnings, *findings]))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no flow file `{path}`", hint="check the path") from None
    except IsADirectoryError:
        raise UsageError(f"`{path}` is a folder", hint=f"name the flow file in it: `{path / 'flow.yaml'}`") from None
    except OSError as error:
        reason = (error.strerror or "input error").lower()
        raise UsageError(f"the flow file `{path}` cannot be read: {reason}") from None


def _check_is_mapping(data: Any, places: Places) -> None:
    if isinstance(data, dict):
        return
    place = places.value(()) if data is not None else Place(places.file, 1, 1)
    message = "the flow is empty" if data is None else "a flow is a mapping of keys such as `id` and `tasks`"
    hint = "`rota init` writes an example" if data is None else "begin with `id: my-flow`"
    raise FlowError([Finding("empty-flow" if data is None else "wrong-type", message, place, hint)])


def _outer(data: dict[str, Any], defaults_of: DefaultsOf | None) -> Defaults:
    namespace = data.get("namespace")
    return {} if defaults_of is None else defaults_of(namespace if isinstance(namespace, str) else None)


def _validate(data: dict[str, Any], places: Places, findings: list[Finding]) -> Flow | None:
    try:
        # By alias alone: `finally_` is a name for Python, not for YAML.
        return Flow.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        findings += findings_of(error, Flow, data, places)
        return None


def _collect(patterns: Any, folder: Path, places: Places, findings: list[Finding]) -> tuple[FlowFile, ...]:
    collector = Collector(folder)
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if isinstance(pattern, str):
            try:
                collector.add(pattern)
            except Refused as error:
                findings.append(Finding("flow-file", str(error), places.value(("files", index)), error.hint))
    return collector.files


def _refuse_errors(findings: list[Finding]) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    if len(errors) > MAX_FINDINGS:
        left = Finding(
            "too-many", f"{len(errors) - MAX_FINDINGS} more faults are not shown", Place(errors[0].place.file)
        )
        raise FlowError([*_in_order(errors)[:MAX_FINDINGS], left])
    if errors:
        raise FlowError(_in_order(findings))


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, in the order of the text."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda found: (found.place.line, found.place.column)))
