"""The part of a server that evaluates triggers: what the core has of kinds and sources, put together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from rota.errors import SecretError
from rota.executions.clients import ClientPool
from rota.executions.masking import Masker
from rota.executions.secrets import ExecutionSecrets
from rota.flows.templates import use_filters
from rota.server.roles import Role
from rota.server.triggers import firing_of
from rota.triggers.backfilling import Backfilling
from rota.triggers.context import Means
from rota.triggers.evaluator import ROLE, Around, Evaluator, Kind, OnlyByEvent, Source
from rota.triggers.flow_book import FlowBook
from rota.triggers.flow_ends import FlowEnds
from rota.triggers.flow_shelf import FlowShelf
from rota.triggers.polling import Polling
from rota.triggers.schedules import Schedules

if TYPE_CHECKING:
    from rota.server.application import Application


class TriggersPart:
    """Evaluates triggers while this server has the role."""

    name = "triggers"

    def __init__(self, app: Application, wake: threading.Event, clock: Callable[[], float] = time.time) -> None:
        use_filters(app.plugins.filters)
        conductor = app.conductor()
        self._app = app
        self._clients = ClientPool()
        shelf, timezone = FlowShelf(app.store), app.settings.timezone
        around = Around(
            app.store,
            conductor.submit,
            Role(conductor, ROLE).holds,
            firing_of(app),
            shelf,
            conductor.look_for_work,
            clock,
        )
        self.polling = Polling(app.plugins.trigger_type, self._means, self._variables, wake.set)
        by_event = OnlyByEvent()
        kinds: dict[str, Kind] = {"schedule": Schedules(timezone), "flow": by_event, "webhook": by_event}
        sources: list[Source] = [
            FlowEnds(app.store, FlowBook(app.store, shelf), app.resources.unseal),
            self.polling,
            Backfilling(app.store, shelf, timezone),
        ]
        self.evaluator = Evaluator(around, kinds, self.polling, sources, wake)

    def run(self, stop: threading.Event) -> None:
        """Evaluate until `stop` is set. Raises what keeps it from going on; run again, it goes on."""
        try:
            self.evaluator.run(stop)
        finally:
            for client in self._clients.take_out(""):
                client.end()

    def _variables(self, namespace: str) -> Mapping[str, Any]:
        return self._app.settings.namespace_settings(namespace).variables

    def _means(self, namespace: str) -> Means:
        masker, app = Masker(), self._app
        secrets = ExecutionSecrets(namespace, app.resources.backends_of(namespace), masker, refuse_lease)
        conductor = app.conductor()
        return Means(conductor.host.kv, self._clients, masker, secrets.get)


def refuse_lease(*_: object) -> NoReturn:
    """Refuse a secret that somebody would have to give back. Raises SecretError."""
    raise SecretError(
        "a trigger cannot use a secret that is made for it and ends again",
        hint="keep a login of its own for it, such as in `vault.kv`",
    )
