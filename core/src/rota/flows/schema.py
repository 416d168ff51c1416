"""One JSON Schema for flows over the installed plugins, for editors: completion, descriptions, readable errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rota.errors import PluginError
from rota.extensions import TASK_KEYS
from rota.flows.describe import split_docstring
from rota.flows.docstrings import documented
from rota.flows.field_schemas import fields_schema
from rota.flows.inputs import INPUT_TYPES
from rota.flows.models import CONTROL_TYPES, Flow, TaskStep
from rota.flows.triggers import FlowTrigger, PluginTrigger, ScheduleTrigger, WebhookTrigger

if TYPE_CHECKING:
    from rota.extensions import Extension
    from rota.plugins import Plugins

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_TRIGGERS = {"schedule": ScheduleTrigger, "flow": FlowTrigger, "webhook": WebhookTrigger}
_SCOPE_KEYS = frozenset({"tasks", "errors", "finally", "restart", "recover"})
_MEMBERS = {
    "Task": {cls.__name__ for cls in CONTROL_TYPES.values()} | {TaskStep.__name__},
    "Input": {cls.__name__ for cls in INPUT_TYPES.values()},
    "Trigger": {cls.__name__ for cls in _TRIGGERS.values()} | {PluginTrigger.__name__},
}
"""The models of each union, which becomes one definition that looks at `type`."""


def build(plugins: Plugins) -> Schema:
    """Return the JSON Schema (2020-12) of a flow, with the task types and triggers of all good plugins.

    `type` decides by `if`/`then` which keys there are, so that a mistake gives one error and not one for each
    type. Every plugin is imported.
    """
    flow = documented(Flow).model_json_schema(by_alias=True, mode="validation")
    definitions: Schema = flow.pop("$defs")
    tasks = _tasks(plugins, definitions)
    triggers = _plugin_types(plugins, "trigger", "trigger", definitions, definitions.pop(PluginTrigger.__name__))
    triggers |= {name: (cls.__name__, _summary(cls)) for name, cls in _TRIGGERS.items()}
    inputs = {name: (cls.__name__, _summary(cls)) for name, cls in INPUT_TYPES.items()}
    for name, types in (("Task", tasks), ("Trigger", triggers), ("Input", inputs)):
        definitions[name] = _by_type(name, types, definitions)
    flow["properties"]["defaults"] = _defaults(plugins, definitions, flow["properties"]["defaults"])
    whole = {"$schema": DIALECT, **flow, "title": "Rota flow", "$defs": definitions}
    found: Schema = _polished(whole)
    return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]


def _tasks(plugins: Plugins, definitions: Schema) -> dict[str, tuple[str, str]]:
    common = definitions.pop(TaskStep.__name__)
    found = _plugin_types(plugins, "task type", "task", definitions, common)
    return found | {name: (cls.__name__, _summary(cls)) for name, cls in CONTROL_TYPES.items()}


def _plugin_types(
    plugins: Plugins, kind: str, prefix: str, definitions: Schema, common: Schema
) -> dict[str, tuple[str, str]]:
    """Add a definition for each type of plugins; return its name and what the type is for, by type."""
    found: dict[str, tuple[str, str]] = {}
    for name in plugins.type_names(kind):
        try:
            cls: type[Extension] = plugins.task_type(name) if kind == "task type" else plugins.trigger_type(name)
        except PluginError:
            continue
        own = fields_schema(cls, f"{prefix}:{name}", definitions)
        summary, description, example = split_docstring(cls)
        definitions[f"{prefix}:{name}"] = {
            "title": name,
            "description": "\n\n".join(
                filter(None, [summary, description, f"```yaml\n{example}\n```" * bool(example)])
            ),
            "type": "object",
            "properties": {**common["properties"], "type": {"const": name}, **own["properties"]},
            # `defaults`, the flow's or the namespace's, may give a field that the task type requires.
            "required": [*common["required"], *(own["required"] if kind == "trigger" else ())],
            "additionalProperties": False,
        }
        found[name] = (f"{prefix}:{name}", summary)
    return found


def _by_type(what: str, types: Mapping[str, tuple[str, str]], definitions: Schema) -> Schema:
    """Return what looks at `type` first, and then asks for what that type asks for."""
    names = sorted(types)
    described = {
        "enum": names,
        "markdownEnumDescriptions": [types[name][1] for name in names],
        "description": f"The type of the {what.lower()}.",
    }
    shared = set.intersection(*(set(definitions[one]["properties"]) for one, _ in types.values())) - {"type"}
    any_of_them = definitions[types[names[0]][0]]["properties"]
    return {
        "title": what,
        "type": "object",
        "required": ["id", "type"],
        "properties": {"type": described, **{key: any_of_them[key] for key in sorted(shared)}},
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"$ref": f"#/$defs/{types[name][0]}"},
            }
            for name in names
        ],
    }


def _defaults(plugins: Plugins, definitions: Schema, schema: Schema) -> Schema:
    """Return the schema of `defaults`: for each type its own fields and the keys of tasks, none of them required."""
    properties: Schema = {}
    for name in plugins.type_names("task type"):
        task = definitions.get(f"task:{name}")
        if task is not None:
            fields = {key: value for key, value in task["properties"].items() if key not in ("id", "type", "needs")}
            properties[name] = {"type": "object", "properties": fields, "additionalProperties": False}
    for name, cls in CONTROL_TYPES.items():
        own = definitions[cls.__name__]["properties"]
        properties[name] = {
            "type": "object",
            "properties": {key: own[key] for key in own if key in TASK_KEYS - _SCOPE_KEYS - {"id", "type", "needs"}},
        }
    return {**schema, "properties": properties, "additionalProperties": {"type": "object"}}


def _summary(cls: Any) -> str:
    return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def _polished(schema: Any) -> Any:
    """Put each union by type into its one definition, and write descriptions as editors show them."""
    if isinstance(schema, list):
        return [_polished(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    refs = {str(option.get("$ref", "")).rsplit("/", 1)[-1] for option in schema.get("oneOf", ())}
    for name, members in _MEMBERS.items():
        if refs and refs <= members:
            rest = {key: value for key, value in schema.items() if key not in ("oneOf", "discriminator")}
            return {"$ref": f"#/$defs/{name}", **rest}
    found = {key: _polished(value) for key, value in schema.items()}
    if isinstance(found.get("description"), str) and "markdownDescription" not in found:
        found["markdownDescription"] = found["description"]
    return found
