"""What Ansible's events say: log lines, progress, and how each host ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, Field

from rota import Context, TaskFailed

_BAD = {"runner_on_failed": "failed", "runner_on_unreachable": "unreachable"}
_WARNINGS = {"warning", "system_warning", "deprecated", "playbook_on_no_hosts_matched"}
_LONGEST = 500
"""Characters of a message in an error; the log has all of it."""
_COUNTS = {
    "ok": "ok",
    "changed": "changed",
    "failures": "failures",
    "dark": "unreachable",
    "skipped": "skipped",
    "rescued": "rescued",
    "ignored": "ignored",
}


class Host(BaseModel):
    """How one host ended."""

    status: Literal["ok", "changed", "failed", "unreachable"] = "ok"
    """The worst that happened to it."""
    ok: int = 0
    """Tasks that ended well."""
    changed: int = 0
    """Tasks that changed something."""
    failures: int = 0
    """Tasks that failed."""
    unreachable: int = 0
    """Tasks for which it could not be reached."""
    skipped: int = 0
    """Tasks that were skipped."""
    rescued: int = 0
    """Tasks whose failure was rescued."""
    ignored: int = 0
    """Tasks whose failure was ignored."""
    task: str = ""
    """The task at which it failed."""
    message: str = ""
    """What it failed with."""
    result: Any = None
    """What the module returned, for `ansible.module`."""


class PlayOutput(BaseModel):
    """What a run of Ansible came to."""

    hosts: dict[str, Host] = Field(default_factory=dict)
    """Each host by its name in the inventory."""
    changed: list[str] = Field(default_factory=list)
    """The hosts on which something changed."""
    failed: list[str] = Field(default_factory=list)
    """The hosts on which a task failed."""
    unreachable: list[str] = Field(default_factory=list)
    """The hosts that could not be reached."""
    stats: dict[str, Any] = Field(default_factory=dict)
    """The values that `set_stats` has set."""
    exit_code: int = 0
    """The exit code of Ansible."""


class Results:
    """Takes events one by one. `diffs` holds what check mode says would change, by host."""

    def __init__(self, ctx: Context, *, keep_results: bool = False) -> None:
        self._ctx = ctx
        self._keep = keep_results
        self._seen: set[str] = set()
        self.output = PlayOutput()
        self.diffs: dict[str, list[Any]] = {}
        self.errors: list[str] = []

    def line(self, stream: str, line: str) -> None:
        """Take one line of the child: an event, or text."""
        if stream == "stderr":
            self.errors.append(line)
            self._ctx.log.warning(line)
            return
        try:
            event = json.loads(line)
        except ValueError:
            self._ctx.log.info(line)
            return
        self._event(event)

    def _event(self, event: dict[str, Any]) -> None:
        kind = event.get("event", "")
        say = self._level(kind, bool(event.get("ignored")))
        for text in str(event.get("stdout") or "").splitlines():
            if text.strip():
                say(text)
                if kind in ("error", "verbose") and "ERROR" in text:
                    self.errors.append(text)
        if kind == "playbook_on_stats":
            self._stats(event)
        elif kind == "finished":
            self.output.exit_code = int(event["exit_code"])
        elif event.get("host"):
            self._host_event(kind, event)

    def _level(self, kind: str, ignored: bool) -> Callable[[str], None]:
        """Return what writes the text of an event to the log."""
        log = self._ctx.log
        if kind == "error" or (kind in _BAD and not ignored):
            return log.error
        return log.warning if kind in _BAD or kind in _WARNINGS else log.info

    def _host_event(self, kind: str, event: dict[str, Any]) -> None:
        name = event["host"]
        host = self.output.hosts.setdefault(name, Host())
        result = event.get("result") or {}
        if kind in _BAD and not event.get("ignored"):
            host.status = _BAD[kind]  # type: ignore[assignment]
            host.task, host.message = event.get("task") or "", _message(result)
        if kind in ("runner_on_ok", *_BAD):
            if self._keep:
                host.result = {key: value for key, value in result.items() if not key.startswith("_ansible")}
            if result.get("diff"):
                self.diffs.setdefault(name, []).append({"task": event.get("task"), "diff": result["diff"]})
            self._seen.add(name)
            self._ctx.progress(len(self._seen), len(self.output.hosts))

    def _stats(self, event: dict[str, Any]) -> None:
        counts = event["counts"]
        for key, field in _COUNTS.items():
            for name, count in (counts.get(key) or {}).items():
                setattr(self.output.hosts.setdefault(name, Host()), field, count)
        self.output.stats = counts.get("artifact_data") or {}
        if not self.output.hosts:
            self._ctx.log.warning("no task has run on any host: do the plays' `hosts` match the inventory?")
        for name, host in sorted(self.output.hosts.items()):
            if host.unreachable:
                host.status = "unreachable"
                self.output.unreachable.append(name)
            elif host.failures:
                host.status = "failed"
                self.output.failed.append(name)
            elif host.changed and host.status == "ok":
                host.status = "changed"
            if host.changed:
                self.output.changed.append(name)

    def checked(self) -> PlayOutput:
        """Return the output. Raises TaskFailed, which names the host and its task, if anything failed."""
        output = self.output
        bad = [*output.failed, *output.unreachable]
        if not bad and output.exit_code == 0:
            return output
        if not bad:
            why = self.errors[0] if self.errors else "look at the log"
            raise TaskFailed(f"ansible ended with exit code {output.exit_code}: {why}", retryable=False, output=output)
        first = bad[0]
        host = output.hosts[first]
        what = "could not be reached" if host.status == "unreachable" else f"failed at task `{host.task}`"
        more = f" (and {len(bad) - 1} more: {', '.join(bad[1:6])})" if len(bad) > 1 else ""
        raise TaskFailed(f"host `{first}` {what}: {host.message or 'no message'}{more}", output=output)


def _message(result: dict[str, Any]) -> str:
    """Return what a task says went wrong; of a loop, what it says of each item that failed."""
    items = [one for one in result.get("results") or () if isinstance(one, dict) and _is_bad(one)]
    if items:
        return "; ".join(f"item `{one.get('item')}`: {_message(one)}" for one in items)[:_LONGEST]
    for key in ("msg", "stderr", "stdout", "reason", "exception"):
        if text := str(result.get(key) or "").strip():
            cause = _cause(result)
            return (f"{text.splitlines()[0]}: {cause}" if cause else text)[:_LONGEST]
    return ""


def _cause(result: dict[str, Any]) -> str:
    """Return what a module that gave no result said instead: Ansible's own message only points there."""
    said = [str(result.get(key) or "").strip() for key in ("module_stderr", "module_stdout")]
    lines = next((text.splitlines() for text in said if text), [""])
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def _is_bad(result: dict[str, Any]) -> bool:
    return bool(result.get("failed") or result.get("unreachable"))
