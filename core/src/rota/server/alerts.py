"""Alerts, as the facade offers them, and the part of a server that tells people."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rota.errors import NotFound, RotaError, UsageError
from rota.store import conditions, deliveries, incidents, silences

if TYPE_CHECKING:
    from rota.alerts.sinks import Sinks
    from rota.server.application import Application

ROLE = "alerts"
Row = dict[str, Any]
Rows = list[Row]


class Alerts:
    """What people were told, what they are not to be told, and what is wrong apart from executions."""

    def __init__(self, app: Application) -> None:
        self._app = app

    # --- what people were told

    def list(
        self,
        *,
        namespace: str | None = None,
        flow: str | None = None,
        kind: str | None = None,
        rule: str | None = None,
        open_only: bool = False,
        limit: int = 50,
    ) -> Rows:
        """Return incidents, newest first, each with its `deliveries`."""
        filters = {"namespace": namespace, "flow": flow, "kind": kind, "rule": rule}
        with self._app.store.read() as conn:
            rows = incidents.page(conn, **filters, open_only=open_only, limit=limit)
            return self._with_deliveries(conn, rows)

    def get(self, id: str) -> Row:
        """Return an incident with its `deliveries`, by its id or the beginning of it. Raises NotFound, UsageError."""
        with self._app.store.read() as conn:
            found = incidents.starting_with(conn, id)
            if len(found) > 1:
                raise UsageError(f"`{id}` is the beginning of more than one id", hint="give more of it")
            row = incidents.get(conn, found[0]) if found else None
            if row is None:
                raise NotFound(f"there is no alert `{id}`", hint="`rota alerts list` shows them")
            return self._with_deliveries(conn, [row])[0]

    def message(self, id: str) -> Row | None:
        """Return a delivery, by its id or the beginning of it, with the `incidents` it tells of; None if there is none.

        Raises UsageError.
        """
        with self._app.store.read() as conn:
            found = deliveries.starting_with(conn, id)
            if len(found) > 1:
                raise UsageError(f"`{id}` is the beginning of more than one id", hint="give more of it")
            if not found:
                return None
            told = incidents.page(conn, messages=[found[0]["message"]], limit=1000)
            return {**found[0], "incidents": told}

    def send_again(self, id: str) -> int:
        """Send what of an alert was given up, or waits for another try, now; return how many messages.

        Raises NotFound.
        """
        ids = [row["id"] for row in self.get(id)["deliveries"] if row["state"] in ("failed", "queued")]
        with self._app.writable.write() as conn:
            count = deliveries.send_again(conn, ids, at=time.time())
            self._app.store.notify(conn, "alerts")
        return count

    def _with_deliveries(self, conn: Any, rows: Rows) -> Rows:
        messages = {row[name] for row in rows for name in ("told", "told_closed") if row[name]}
        by_message: dict[str, Rows] = {}
        for row in deliveries.of_messages(conn, messages):
            by_message.setdefault(row["message"], []).append(row)
        for row in rows:
            told = dict.fromkeys(name for name in (row["told"], row["told_closed"]) if name)
            row["deliveries"] = [one for message in told for one in by_message.get(message, [])]
        return rows

    # --- what they are not to be told

    def silence(
        self,
        duration: timedelta,
        *,
        namespace: str | None = None,
        flow: str | None = None,
        rule: str | None = None,
        kind: str | None = None,
        labels: Mapping[str, str] | None = None,
        reason: str = "",
        author: str = "",
    ) -> int:
        """Tell nobody of what fits, from now on for `duration`; return the number of the silence."""
        now = time.time()
        with self._app.writable.write() as conn:
            return silences.add(
                conn,
                namespace=namespace,
                flow=flow,
                rule=rule,
                kind=kind,
                labels=labels,
                starts_at=now,
                ends_at=now + duration.total_seconds(),
                reason=reason,
                author=author,
                at=now,
            )

    def silences(self, *, ended: bool = False, limit: int = 200) -> Rows:
        """Return silences, newest first: those that have not ended, or with `ended` all."""
        with self._app.store.read() as conn:
            return silences.page(conn, ended_after=None if ended else time.time(), limit=limit)

    def unsilence(self, id: int) -> None:
        """End a silence now. Raises NotFound."""
        with self._app.writable.write() as conn:
            if not silences.end(conn, id, at=time.time()):
                raise NotFound(f"there is no silence {id} that still holds", hint="`rota alerts silences` shows them")

    # --- the sinks

    def sinks(self) -> Sinks:
        """Return the sinks of the settings."""
        from rota.alerts.sinks import Sinks
        from rota.flows.templates import use_filters

        use_filters(self._app.plugins.filters)
        return Sinks(self._app.settings, self._app.plugins, lambda: self._app.resources.secret_backends)

    def test(self, names: Iterable[str] = (), *, text: str = "") -> dict[str, str]:
        """Send a test message to some sinks, or to all, now; return what went wrong by id, "" where nothing did.

        Raises NotFound for a sink that there is not.
        """
        sinks = self.sinks()
        wanted = list(names) or sinks.ids
        if unknown := next((name for name in wanted if name not in sinks.ids), None):
            raise NotFound(f"there is no sink `{unknown}`", hint="`sinks` in rota.yaml names them")
        return {name: _try(sinks, name, text) for name in wanted}

    # --- what is wrong apart from executions

    def raise_(
        self, kind: str, subject: str, message: str, *, namespace: str = "", flow: str = "", momentary: bool = False
    ) -> None:
        """Say that something is wrong until `clear` is called; or, `momentary`, that it was.

        `kind` is one of those that rules are about, `subject` names what it is about. The first line of `message`
        says what is wrong. Where there is a transaction already, `rota.store.conditions` has the same.
        """
        at = time.time()
        with self._app.store.write() as conn:
            conditions.raise_(conn, kind, subject, message, at=at, namespace=namespace, flow=flow, momentary=momentary)
            self._app.store.notify(conn, "alerts")

    def clear(self, kind: str, subject: str) -> bool:
        """Say that it is well again; return whether it was wrong."""
        with self._app.store.write() as conn:
            return conditions.clear(conn, kind, subject, at=time.time())

    def conditions(self) -> Rows:
        """Return everything that is wrong now, oldest first."""
        with self._app.store.read() as conn:
            return conditions.holding(conn)

    def part(self, announced: threading.Event) -> AlertsPart:
        """Return the part of a server that tells people; `announced` is set after a commit with something to read."""
        return AlertsPart(self._app, announced)


def _try(sinks: Sinks, name: str, text: str) -> str:
    from rota.executions.identity import new_execution_id
    from rota.extensions import Alert

    alert = Alert(
        id=new_execution_id(),
        title=f"a test of the sink {name}",
        text=text or "This is a test: nothing is wrong.",
        severity="info",
        namespace="",
        flow="",
        execution_id="",
        state="test",
        labels={},
        date=datetime.now(UTC),
    )
    try:
        sinks.ready(name).send(alert)
    except RotaError as error:
        return str(error)
    return ""


class AlertsPart:
    """Evaluates and sends while it has the role; looks at this server's disks anyway."""

    name = "alerts"

    def __init__(self, app: Application, announced: threading.Event) -> None:
        from rota.alerts.disks import Disks
        from rota.alerts.evaluator import Evaluator, Surroundings
        from rota.alerts.flow_book import FlowBook
        from rota.alerts.secret_watch import SecretWatch
        from rota.alerts.sla import SlaWatch
        from rota.alerts.trigger_watch import TriggerWatch
        from rota.server.planned import planned
        from rota.server.roles import Role

        conductor, settings, store = app.conductor(server=True), app.settings, app.store
        book = FlowBook(store)
        folders = [settings.home, *([store.path.parent] if store.path is not None else [])]
        if settings.artifacts.type == "folder" and "path" in settings.artifacts.fields:
            folders.append(Path(settings.artifacts.fields["path"]))
        around = Surroundings(
            store,
            settings,
            app.plugins,
            conductor.submit,
            Role(conductor, ROLE).holds,
            lambda: app.resources.secret_backends,
            [
                SlaWatch(store, book, settings.timezone, planned(store, settings.timezone)),
                TriggerWatch(store),
                SecretWatch(store),
            ],
            Disks(folders),
        )
        self._evaluator = Evaluator(around, announced, book)

    def run(self, stop: threading.Event) -> None:
        """Tell people until `stop` is set. Raises what keeps it from going on; run again, it goes on."""
        self._evaluator.run(stop)
