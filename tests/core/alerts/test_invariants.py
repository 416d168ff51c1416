"""Whatever happens in whatever order, nobody is told twice, and nothing is lost."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rota.store import open_store
from tests.core.alerts.office import SINKS, Office, Recorder, refuse

RULES = SINKS + "alerts: [{id: ops, to: [chat]}, {id: all, to: [mail], group: 0s, states: [failed, warning]}]\n"
FLOWS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ends"), st.tuples(FLOWS, st.sampled_from(["failed", "failed", "success", "warning"]))),
        st.tuples(st.just("passes"), st.sampled_from([1, 15, 40, 400])),
        st.tuples(st.just("breaks"), st.sampled_from(["chat", "mail"])),
        st.tuples(st.just("mends"), st.sampled_from(["chat", "mail"])),
        st.tuples(st.just("restarts"), st.none()),
        st.tuples(st.just("store refuses"), st.none()),
    ),
    max_size=25,
)


def play(office: Office, step: str, value: Any) -> None:
    if step == "ends":
        flow, state = value
        office.ends(state, flow=flow)
    elif step == "passes":
        calm(office, value)
    elif step == "breaks":
        office.behave(value, refuse())
    elif step == "mends":
        Recorder.behaviours.pop(value, None)
    elif step == "restarts":
        office.evaluator = office.another()
    else:
        office.refuse = ConnectionError("the store is away")


def calm(office: Office, seconds: float) -> None:
    """Let time pass; a store that refuses once is tried again, as the server does."""
    try:
        office.pass_time(seconds, step=max(5.0, seconds / 10))
    except ConnectionError:
        office.settle()


@settings(max_examples=40)
@given(STEPS)
def test_everything_is_told_once_and_nothing_is_lost(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory(prefix="rota-alerts-") as name:
        store = open_store(f"sqlite:///{name}/rota.db", durability="process")
        try:
            office = Office(store, Path(name), RULES)
            Recorder.forget()
            for step, value in steps:
                play(office, step, value)
            Recorder.behaviours.clear()
            office.refuse = None
            office.settle()
            office.pass_time(3600, step=60)
            check(office)
        finally:
            store.close()


def check(office: Office) -> None:
    rows = {row["id"]: row for row in office.deliveries()}
    assert {row["state"] for row in rows.values()} <= {"sent", "merged"}
    for row in rows.values():
        final = row
        while final["state"] == "merged":
            final = rows[final["merged_into"]]
        assert final["state"] == "sent"
    for sink in ("chat", "mail"):
        ids = [alert.id for alert in office.got(sink)]
        assert len(ids) == len(set(ids))
        assert set(ids) == {row["id"] for row in rows.values() if row["sink"] == sink and row["state"] == "sent"}
    found = office.incidents()
    messages = {row["message"] for row in rows.values()}
    for incident in found:
        assert incident["pending"] is None
        assert incident["told"] in messages
        assert incident["closed_at"] is None or incident["told_closed"] in messages
    still_open = Counter((one["rule"], one["kind"], one["key"]) for one in found if one["closed_at"] is None)
    assert set(still_open.values()) <= {1}
