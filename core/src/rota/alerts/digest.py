"""Makes one message of many that wait for the same sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rota.alerts.wording import LONGEST_TEXT, LONGEST_TITLE, first_line, shortened

LISTED = 20
"""So many messages are listed; of the rest people are told how many they are."""
_ONE = {"count": 1}
_ORDER = ("info", "warning", "error", "critical")


def digest_of(alerts: Sequence[Mapping[str, Any]], now: float) -> dict[str, Any]:
    """Return the fields of one alert about all of `alerts`."""
    alerts = sorted(alerts, key=lambda alert: (alert["date"], alert["namespace"], alert["flow"], alert["title"]))
    count = sum(alert.get("merged", _ONE)["count"] for alert in alerts)
    listed = [line for alert in alerts for line in _lines(alert)][:LISTED]
    title = f"{count:,} alerts: " + "; ".join(line.partition(": ")[0] for line in listed[:3])
    lines = [f"- {line}" for line in listed]
    if count > LISTED:
        lines.append(f"and {count - LISTED:,} more")
    lines.append("look: rota alerts list")
    namespaces = {alert["namespace"] for alert in alerts}
    flows = {(alert["namespace"], alert["flow"]) for alert in alerts}
    return {
        "title": shortened(title, LONGEST_TITLE),
        "text": shortened("\n".join(lines), LONGEST_TEXT),
        "severity": max((str(alert["severity"]) for alert in alerts), key=_ORDER.index),
        "namespace": alerts[0]["namespace"] if len(namespaces) == 1 else "",
        "flow": alerts[0]["flow"] if len(flows) == 1 else "",
        "execution_id": "",
        "state": next((alert["state"] for alert in alerts if alert["state"] != "recovered"), "recovered"),
        "labels": {},
        "date": now,
        "merged": {"count": count, "lines": listed},
    }


def _lines(alert: Mapping[str, Any]) -> list[str]:
    """Return what a message is about, in lines: the ones that were put together in it, or itself."""
    merged = alert.get("merged")
    return list(merged["lines"]) if merged else [f"{first_line(str(alert['title']))}{_error(alert)}"]


def _error(alert: Mapping[str, Any]) -> str:
    """Return the line of a message that says why, where it has one."""
    lines = (line.strip() for line in str(alert["text"]).splitlines())
    error = next((line.removeprefix("error:").strip() for line in lines if line.startswith("error:")), "")
    return f": {first_line(error, 160)}" if error else ""
