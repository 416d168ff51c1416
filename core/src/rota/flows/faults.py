"""Turns what pydantic says about a flow into findings: one for each fault, in the words of the language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from rota.errors import Finding
from rota.flows.fields import keys_at
from rota.flows.input_values import kind_of
from rota.flows.inputs import INPUT_TYPES
from rota.flows.phrases import hint_for, phrase, said
from rota.flows.places import Path, Places
from rota.flows.similar import closest, did_you_mean
from rota.flows.walk import has_child, subject

_TYPE_ERRORS = ("_type", "int_from_float")


@dataclass(frozen=True, slots=True)
class _Fault:
    """One error of pydantic. `path` leads to the wrong value (or to what lacks `key`), `union` to where types part."""

    error: Any
    path: Path
    union: Path | None
    value: Any

    @property
    def kind(self) -> str:
        return str(self.error["type"])


def findings_of(error: ValidationError, model: type[BaseModel], data: Any, places: Places) -> Iterator[Finding]:
    """Yield a finding for each fault of `data` that `error` (of validating it as `model`) tells of."""
    faults = [_fault(one, data) for one in error.errors(include_url=False)]
    groups = list(_grouped(_without_noise(faults)))
    misspelt: set[tuple[Path, str]] = set()
    for group in groups:
        if group[0].kind == "extra_forbidden":
            loc, owner = group[0].error["loc"], group[0].path[:-1]
            misspelt.add((owner, closest(str(loc[-1]), keys_at(model, loc[:-1])) or ""))
    for group in groups:
        # A required key that was misspelt is one fault, not two.
        if group[0].kind != "missing" or (group[0].path, group[0].error["loc"][-1]) not in misspelt:
            yield _finding(group, model, data, places)


def _fault(error: Any, data: Any) -> _Fault:
    path: list[str | int] = []
    union: Path | None = None
    loc = (*error["loc"], *([error["ctx"]["key"]] if "key" in error.get("ctx", {}) else ()))
    if error["type"] == "missing":
        loc = loc[:-1]
    for part in loc:
        if has_child(data, part):
            data = data[part]
            path.append(part)
        elif union is None and not str(part).startswith("<"):
            # The type that was tried of a union; what starts with `<` is the tag of one that knows its types.
            union = tuple(path)
    return _Fault(error, tuple(path), union, data)


def _without_noise(faults: list[_Fault]) -> list[_Fault]:
    """Leave out the other types of a union where one of them fitted so far that its fault lies deeper."""
    deeper = {fault.union for fault in faults if fault.union is not None and _depth(fault) > len(fault.union)}
    return [fault for fault in faults if fault.union not in deeper or _depth(fault) > len(fault.union or ())]


def _depth(fault: _Fault) -> int:
    return len(fault.path) + (fault.kind in ("missing", "extra_forbidden"))


def _grouped(faults: list[_Fault]) -> Iterable[list[_Fault]]:
    groups: dict[Any, list[_Fault]] = {}
    for fault in faults:
        key = (fault.path, fault.error["loc"][-1] if fault.kind == "missing" else None, fault.union == fault.path)
        groups.setdefault(key, []).append(fault)
    return groups.values()


def _finding(group: list[_Fault], model: type[BaseModel], data: Any, places: Places) -> Finding:
    fault = group[0]
    loc = fault.error["loc"]
    name = subject(places.source(fault.path), data)
    if fault.kind == "missing":
        message = f"{name} has no `{loc[-1]}`"
        return Finding("missing-key", message, places.value(fault.path), f"add `{loc[-1]}: …`")
    if fault.kind == "extra_forbidden":
        owner = subject(places.source(fault.path)[:-1], data)
        hint = _unknown_key_hint(str(loc[-1]), owner, keys_at(model, loc[:-1]))
        return Finding("unknown-key", f"{owner} has no key `{loc[-1]}`", places.key(fault.path), hint)
    if fault.kind == "union_tag_not_found":
        return _input_type(fault, name, places)
    return _wrong_value(group, name, places)


def _unknown_key_hint(key: str, owner: str, known: set[str]) -> str:
    if key == "required" and owner.startswith("input"):
        return "an input is required unless it has a `default`; write `default: null` to make it optional"
    return did_you_mean(key, known, what="its keys are")


def _input_type(fault: _Fault, name: str, places: Places) -> Finding:
    if not isinstance(fault.value, dict):
        message = f"{name} must be a mapping, not {_kind(fault.value)}"
        return Finding("wrong-type", message, places.value(fault.path), "write `- {id: …, type: …}`")
    kind = fault.value.get("type")
    if kind is None:
        return Finding("missing-key", f"{name} has no `type`", places.value(fault.path), "add `type: string`")
    shown = f"`{kind}`" if isinstance(kind, str) else _kind(kind)
    hint = did_you_mean(str(kind), INPUT_TYPES) or f"the types are {', '.join(INPUT_TYPES)}"
    return Finding("unknown-type", f"{name} has the unknown type {shown}", places.value((*fault.path, "type")), hint)


def _wrong_value(group: list[_Fault], name: str, places: Places) -> Finding:
    fault = next((one for one in group if one.kind == "value_error"), group[0])
    place = places.value(fault.path)
    if fault.kind == "value_error":
        text, _, hint = said(fault.error).partition("; ")
        joint = " " if text.startswith(("must ", "has ")) else ": "
        return Finding("invalid-value", f"{name}{joint}{text}", place, hint)
    errors = [one.error for one in group]
    wanted = phrase(errors)
    if all(one.kind.endswith(_TYPE_ERRORS) for one in group):
        message = f"{name} must be {wanted}, not {_kind(fault.value)}"
        return Finding("wrong-type", message, place, hint_for(fault.value, wanted))
    shown = f", not `{fault.value}`" if _is_short(fault.value) else ""
    return Finding("invalid-value", f"{name} must be {wanted}{shown}", place, _meant(errors, fault.value))


def _meant(errors: list[Any], value: Any) -> str:
    literals = [error for error in errors if error["type"] == "literal_error"]
    if not literals or not isinstance(value, str):
        return ""
    names = [part.strip("'") for part in literals[0]["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    found = did_you_mean(value, names)
    return found if found.startswith("did") else ""


def _kind(value: Any) -> str:
    from rota.flows.templates.marks import RawValue

    return "a `!raw` value" if isinstance(value, RawValue) else kind_of(value)


def _is_short(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and len(str(value)) <= 60
