"""What people read by default: what, where, since when, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from rota.alerts.incidents import Incident

LONGEST_TITLE = 200
LONGEST_TEXT = 8_000
"""Characters: what chats and pagers take."""
IN_FULL = 5
"""So many incidents are told in full; of more, a line each."""
IN_LINES = 20
"""So many incidents get a line; of the rest people are told how many they are."""
_LONGEST_ERROR = 500
_TARGETS = 10
_RESTARTABLE = ("failed", "cancelled", "warning")
_LOOK = {
    "schedule": "rota triggers list",
    "trigger": "rota triggers list",
    "server": "rota doctor",
    "disk": "rota doctor",
    "sink": "rota alerts test",
}


@dataclass(frozen=True, slots=True)
class Targets:
    """The iterations or targets of an execution that failed: the first keys, how many, of how many."""

    failed: Sequence[str] = field(default_factory=list)
    count: int = 0
    total: int = 0


def first_line(text: str, width: int = _LONGEST_ERROR) -> str:
    """Return the first line of a text that says something, no longer than `width`."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= width else f"{line[: width - 1]}…"


def error_of(incident: Incident) -> str:
    """Return why, in one line: the task, the target, the first line of the message."""
    error: Mapping[str, str] = incident.details.get("error") or {}
    message = first_line(str(error.get("message") or ""))
    target = f"[{error['target']}]" if error.get("target") else ""
    where = f"{error.get('task') or ''}{target}"
    return f"{where}: {message}" if where and message else message


def headline(incident: Incident) -> str:
    """Return what one incident is, as a title."""
    what = str(incident.details.get("what", incident.key))
    if incident.pending == "closed":
        if incident.state == "paused":
            return f"{incident.namespace}/{incident.flow} goes on"
        if incident.kind == "execution":
            return f"{incident.namespace}/{incident.flow} is well again"
        return f"well again: {what}"
    if incident.closed_at is not None and incident.state != "success" and not incident.details.get("momentary"):
        return f"{what}, and is well again"
    return f"{what}, {incident.count} times" if incident.count > 1 and incident.kind != "sla" else what


def title_of(incidents: Sequence[Incident]) -> str:
    """Return one title for all."""
    if len(incidents) == 1:
        return shortened(headline(incidents[0]), LONGEST_TITLE)
    well = [one for one in incidents if one.pending == "closed"]
    failed = [one for one in incidents if one.pending != "closed" and one.state == "failed"]
    others = len(incidents) - len(well) - len(failed)
    parts = [
        f"{len(failed)} {'flow' if len(failed) == 1 else 'flows'} failed" if failed else "",
        f"{others} {'alert' if others == 1 else 'alerts'}" if others else "",
        f"{len(well)} well again" if well else "",
    ]
    names = list(dict.fromkeys(_name(one) for one in [*failed, *incidents]))
    more = ", …" if len(names) > 3 else ""
    return shortened(f"{', '.join(filter(None, parts))}: {', '.join(names[:3])}{more}", LONGEST_TITLE)


def text_of(incidents: Sequence[Incident], targets: Mapping[str, Targets], zone: tzinfo) -> str:
    """Return one text for all; `targets` by execution, `zone` is that of the times."""
    if len(incidents) <= IN_FULL:
        blocks = ["\n".join(_block(one, targets.get(one.execution_id or ""), zone)) for one in incidents]
        return shortened("\n\n".join(blocks), LONGEST_TEXT)
    lines = [_line(one, zone) for one in incidents[:IN_LINES]]
    if len(incidents) > IN_LINES:
        lines.append(f"and {len(incidents) - IN_LINES:,} more")
    lines.append("look: rota alerts list")
    return shortened("\n".join(lines), LONGEST_TEXT)


def shortened(text: str, width: int) -> str:
    """Return a text no longer than `width` characters."""
    return text if len(text) <= width else f"{text[: width - 2]} …"


def time_text(at: float, zone: tzinfo) -> str:
    """Return a time to the second, with its zone."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _name(incident: Incident) -> str:
    return f"{incident.namespace}/{incident.flow}" if incident.flow else incident.key


def _line(incident: Incident, zone: tzinfo) -> str:
    at = datetime.fromtimestamp(incident.last_at, zone).strftime("%H:%M:%S")
    why = "" if incident.pending == "closed" else first_line(error_of(incident), 120)
    return f"{at} {headline(incident)}" + (f": {why}" if why else "")


def _block(incident: Incident, targets: Targets | None, zone: tzinfo) -> Iterator[str]:
    yield f"what: {headline(incident)}"
    if incident.flow:
        yield f"where: flow {_name(incident)}" + (f", run {run}" if (run := incident.details.get("run", 0)) > 1 else "")
    since = time_text(incident.opened_at, zone)
    if incident.closed_at is not None and incident.state != "success":
        yield f"since: {since}, until {time_text(incident.closed_at, zone)}"
    else:
        yield f"since: {since}"
    if incident.count > 1:
        yield f"times: {incident.count}, last at {time_text(incident.last_at, zone)}"
    if incident.pending != "closed":
        yield from _cause(incident, targets)
    yield from _commands(incident)


def _cause(incident: Incident, targets: Targets | None) -> Iterator[str]:
    if error := error_of(incident):
        yield f"error: {error}"
    if targets is not None and targets.count:
        more = ", …" if targets.count > _TARGETS else ""
        failed = ", ".join(targets.failed[:_TARGETS])
        yield f"targets: {targets.count} of {targets.total} failed: {failed}{more}"


def _commands(incident: Incident) -> Iterator[str]:
    if look := incident.details.get("look"):
        yield f"look: {look}"
    elif incident.execution_id:
        yield f"look: rota executions show {incident.execution_id}"
        if incident.state in _RESTARTABLE and incident.pending != "closed" and incident.closed_at is None:
            yield f"restart: rota executions restart {incident.execution_id}"
        if incident.state == "paused" and incident.closed_at is None:
            yield f"resume: rota executions resume {incident.execution_id}"
    elif incident.pending != "closed":
        yield f"look: {_LOOK.get(incident.kind, f'rota executions list --flow {_name(incident)}')}"
