"""What a run would do, without doing it: rendered in a child process that can hurt nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from rota.context import Artifact
from rota.errors import RotaError
from rota.flows.given import parse_inputs
from rota.server.planning.models import Plan as Plan
from rota.server.planning.models import Request
from rota.server.planning.text import plan_text as plan_text

if TYPE_CHECKING:
    from rota.flows.loader import LoadedFlow
    from rota.settings import Settings

_PASSED = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV")
_MEMORY = 2 << 30


def plan(
    loaded: LoadedFlow,
    given: Mapping[str, Any],
    settings: Settings,
    *,
    namespace: str | None = None,
    now: datetime | None = None,
    seconds: float = 30,
    memory: int = _MEMORY,
    expand: int = 1,
) -> Plan:
    """Return what an execution of the flow with the inputs `given` would do.

    `given` is what `parse_inputs` takes. `now` is when it would start (aware), `expand` how many iterations of
    each list are shown with their tasks. The child may take `seconds` and `memory` bytes; no secret is told it.
    Raises InputError for wrong inputs, and RotaError where the child fails or is over its limits.
    """
    where = namespace or loaded.flow.namespace or "default"
    around = settings.namespace_settings(where)
    timezone = loaded.flow.timezone or settings.timezone
    typed = parse_inputs(loaded.flow.inputs, given, timezone=ZoneInfo(timezone))
    specs = {spec.id: spec for spec in loaded.flow.inputs}
    hidden = [name for name, value in typed.items() if isinstance(value, (SecretStr, Artifact, Path))]
    folder = Path(loaded.file).parent if Path(loaded.file).is_file() else None
    request = Request(
        source=loaded.source,
        file=loaded.file,
        folder=None if folder is None else str(folder.absolute()),
        namespace=where,
        given={name: specs[name].dump(value) for name, value in typed.items() if name not in hidden},
        hidden=hidden,
        defaults=around.defaults,
        variables={**around.variables, **_plain(loaded.flow.variables)},
        labels=around.labels,
        timezone=timezone,
        now=(now or datetime.now(UTC)).isoformat(),
        expand=expand,
        path=sys.path,
        seconds=max(1, round(seconds)),
        memory=memory,
    )
    return Plan.model_validate(_asked(request, seconds))


def _plain(value: Any) -> Any:
    from rota.flows.templates.marks import unraw

    return unraw(value)


def _asked(request: Request, seconds: float) -> Any:
    """Run the child and return what it says. Its process group ends with this, whatever happens."""
    env = {name: os.environ[name] for name in _PASSED if name in os.environ}
    env |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    env["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
    with subprocess.Popen(
        [sys.executable, "-m", "rota.server.planning.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    ) as child:
        try:
            answer, noise = child.communicate(request.model_dump_json().encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            raise RotaError(f"the plan was not made within {seconds:g} s", hint=_SLOW) from None
        finally:
            _end(child)
    return _read(child.returncode, answer, noise)


_SLOW = "a plugin's own plan may be slow; `--timeout` gives it longer"


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _read(code: int, answer: bytes, noise: bytes) -> Any:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise RotaError("the plan took more processor time than it may", hint=_SLOW)
    try:
        found = json.loads(answer)
    except ValueError:
        lines = noise.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit code {code}"
        raise RotaError(f"the plan could not be made: {reason[:500]}") from None
    if isinstance(found, dict) and "error" in found:
        raise RotaError(found["error"]["message"], hint=found["error"]["hint"])
    return found
