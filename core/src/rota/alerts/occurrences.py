"""What happened, as rules look at it: the end of an execution, or a condition that holds or is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

WELL = ("success", "warning")
"""The states of executions that end an incident, unless its rule is about them."""
TOLD_STATES = ("success", "warning", "failed", "cancelled", "paused")
"""The states of executions that rules may name."""
_WORDS = {
    "success": "succeeded",
    "warning": "ended with warnings",
    "failed": "failed",
    "cancelled": "was cancelled",
    "paused": "waits for a person",
}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened at the time `at`, or (`good`) is well again.

    `kind` and `key` say what belongs together; `what` is a sentence without its full stop. `own_rules_only` is
    for what a flow that contains it tells of anyway. `watched` names who looks at it again and again: it is not
    counted anew each time. `of_failure` is for what an execution that failed tells of already. `look` is
    the command that shows more, where it is not that of the execution or of the kind.
    """

    kind: str
    key: str
    what: str
    at: float
    state: str = ""
    good: bool = False
    momentary: bool = False
    watched: str = ""
    namespace: str = ""
    flow: str = ""
    execution_id: str | None = None
    run: int = 0
    revision_id: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    own_rules_only: bool = False
    of_failure: bool = False
    look: str = ""


def of_execution(row: Mapping[str, Any], state: str, run: int, at: float) -> Occurrence:
    """Return what it means that the execution in `row` came into `state` in its run number `run`."""
    name = f"{row['namespace']}/{row['flow']}"
    # Executions that count apart fail apart: one per environment, say.
    key = f"{name} [{row['place_key']}]" if row["place_key"] else name
    same_run = row["state"] == state and row["run"] == run
    return Occurrence(
        "execution",
        row["id"] if state == "paused" else key,
        f"{name} {_WORDS[state]}",
        at,
        state=state,
        good=state in WELL,
        namespace=row["namespace"],
        flow=row["flow"],
        execution_id=row["id"],
        run=run,
        revision_id=row["revision_id"],
        labels=row["labels"] or {},
        error=(row["problem"] or {}) if same_run else {},
        own_rules_only=row["root_id"] != row["id"],
    )


def of_secret(failure: Occurrence) -> Occurrence | None:
    """Return that a secret cannot be had, where that is why an execution failed; what ended well is well again."""
    if not failure.good and failure.error.get("type") != "SecretError":
        return None
    what = f"a secret for {failure.namespace}/{failure.flow} cannot be had"
    return replace(failure, kind="secret", what=what, state="secret", of_failure=True)


def of_condition(row: Mapping[str, Any], revision_id: int | None) -> Occurrence:
    """Return what a condition of the store says: that it holds, or holds no more; `revision_id` is its flow's."""
    what, _, more = row["message"].partition("\n")
    return Occurrence(
        row["kind"],
        row["subject"],
        what,
        row["raised_at"] if row["cleared_at"] is None else row["cleared_at"],
        state=row["kind"],
        good=row["cleared_at"] is not None,
        momentary=bool(row["momentary"]),
        namespace=row["namespace"],
        flow=row["flow"],
        revision_id=revision_id,
        error={"message": more.strip()} if more.strip() else {},
    )
