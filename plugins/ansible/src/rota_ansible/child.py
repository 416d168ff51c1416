"""Runs ansible-runner in a program of its own, and writes its events as JSON lines.

It is started by file, with nothing of Rota on its path: what it is told comes as JSON on its standard input,
so that no secret is ever an argument or a variable of a process.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

LONGEST = 20_000
"""The longest text of a result that is passed on, in characters."""


def main() -> int:
    """Run what the standard input says and return Ansible's exit code."""
    import ansible_runner

    told = json.load(sys.stdin)
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")  # noqa: PTH120
    runner = ansible_runner.run(event_handler=_tell, quiet=True, **told)
    _write({"event": "finished", "exit_code": runner.rc if runner.rc is not None else 1, "status": runner.status})
    return 0


def _tell(event: dict[str, Any]) -> bool:
    data = event.get("event_data") or {}
    kind = event.get("event")
    told: dict[str, Any] = {"event": kind, "stdout": event.get("stdout")}
    if kind == "playbook_on_stats":
        told["counts"] = data
    elif data.get("host"):
        told.update(host=data["host"], task=data.get("task"), ignored=bool(data.get("ignore_errors")))
        told["result"] = _short(data.get("res"))
    _write(told)
    return False


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[:LONGEST] + " …"
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return value


def _write(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
