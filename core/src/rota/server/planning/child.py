"""The child process that plans: it takes a request as JSON on standard input and prints the plan as JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rota.errors import ExpressionError, RotaError
from rota.server.planning.models import Plan, PlannedValue, Request

_LARGEST_FILE = 64 << 20


def main() -> int:
    """Read a request, print the plan or `{"error": …}`, and return the exit code."""
    # What plugins print must not come between the lines of the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = Request.model_validate_json(sys.stdin.buffer.read())
    limit(request.seconds, request.memory)
    sys.path[:] = request.path
    try:
        text = made(request).model_dump_json()
    except RotaError as error:
        text = json.dumps({"error": {"message": error.message, "hint": error.hint}})
    except MemoryError:
        text = json.dumps({"error": {"message": "the plan needs more memory than it may use", "hint": ""}})
    with answer:
        answer.write(text)
    return 0


def limit(seconds: int, memory: int) -> None:
    """Limit this process and its children: processor time, memory, the size of files, no core dumps."""
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, _LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def made(request: Request) -> Plan:
    """Return the plan that is asked for. Raises FlowError, ExpressionError, InputError."""
    from rota.executions.interpreter.program import compile_flow
    from rota.flows.checker.tree import tree_of
    from rota.flows.loader import parse_flow
    from rota.flows.templates import use_filters
    from rota.plugins import Plugins
    from rota.server.planning.partial import render
    from rota.server.planning.walking import Walk, known_outputs, plan_flow

    plugins = Plugins()
    use_filters(plugins.filters)
    folder = Path(request.folder) if request.folder else None
    loaded = parse_flow(request.source, request.file, folder=folder, defaults_of=lambda _: request.defaults)
    flow = loaded.flow
    contents = {file.name: file.content for file in loaded.files}
    with tempfile.TemporaryDirectory(prefix="rota-plan-") as workdir:
        for name, content in contents.items():
            path = Path(workdir, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        walk = Walk(flow, compile_flow(flow), plugins, request.namespace, Path(workdir), request.expand,
                    frozenset(tree_of(flow).by_id))  # fmt: skip
        names = _names(request, flow.id, flow.labels, _file(contents))
        inputs = _inputs(request, flow, names)
        names["outputs"] = known_outputs(walk)
        blocks = plan_flow(walk, names)
        outputs = {name: render(value, names) for name, value in flow.outputs.items()}
    return Plan(
        namespace=request.namespace,
        flow=flow.id,
        inputs=inputs,
        variables=_json(names["vars"]),
        blocks=blocks,
        outputs=outputs,
    )


def _names(request: Request, flow: str, labels: Mapping[str, str], file: Callable[[str], str]) -> dict[str, Any]:
    from rota.flows.templates.marks import unraw
    from rota.server.planning.partial import NotKnown, Partly, SecretUsed, Unknown

    def secret(name: str, **_: Any) -> Any:
        raise SecretUsed(name)

    def unknown(what: str) -> Callable[..., Any]:
        def call(*args: Any, **_: Any) -> Any:
            raise NotKnown(f"{what}({', '.join(map(repr, args))})")

        return call

    now = datetime.fromisoformat(request.now).astimezone(ZoneInfo(request.timezone))
    known = {"state": "running", "run": 1}
    return {
        "inputs": {},
        "vars": unraw(dict(request.variables)),
        "labels": {**request.labels, **labels},
        "trigger": {"id": "manual", "type": "manual", "date": now, "event": {}},
        "execution": Partly("execution", known, {"id": False, "started_at": False}),
        "flow": {"id": flow, "namespace": request.namespace, "timezone": request.timezone},
        "outputs": Unknown("outputs"),
        "tasks": Unknown("tasks"),
        "now": unknown("now"),
        "kv": unknown("kv"),
        "read": unknown("read"),
        "file": file,
        "secret": secret,
    }


def _file(contents: Mapping[str, bytes]) -> Callable[[str], str]:
    def file(path: str) -> str:
        if path not in contents:
            raise ExpressionError(f"the flow has no file `{path}`", hint="add it to `files`")
        return contents[path].decode("utf-8", "replace")

    return file


def _inputs(request: Request, flow: Any, names: dict[str, Any]) -> dict[str, PlannedValue]:
    """Return the inputs as they are shown, and give them to `names`."""
    from rota.server.planning.partial import Partly, render

    zone = ZoneInfo(request.timezone)
    known: dict[str, Any] = {}
    shown: dict[str, PlannedValue] = {}
    for spec in flow.inputs:
        secret = spec.type == "secret"
        if spec.id in request.hidden or (secret and spec.has_default):
            name = f"inputs.{spec.id}"
            shown[spec.id] = PlannedValue(value="***" if secret else "a file", secrets=[name] if secret else [],
                                          unknown=[] if secret else [name])  # fmt: skip
            continue
        if spec.id in request.given:
            value = PlannedValue(value=request.given[spec.id])
        else:
            value = render(spec.default, {**names, "inputs": known}) if spec.is_templated else (
                PlannedValue(value=_json(spec.default)))  # fmt: skip
        shown[spec.id] = value
        if value.known:
            try:
                known[spec.id] = spec.parse(value.value, zone)
            except ValueError as error:
                shown[spec.id] = value.model_copy(update={"problem": f"it {error}"})
    others = {spec.id: spec.type == "secret" for spec in flow.inputs if spec.id not in known}
    names["inputs"] = Partly("inputs", known, others)
    return shown


def _json(value: Any) -> Any:
    from rota.executions.values import plain

    return plain(value)


if __name__ == "__main__":
    sys.exit(main())
