"""Takes calls for webhook triggers: checked, made an execution once, and answered."""

from __future__ import annotations

import logging
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from rota.errors import NotFound, RotaError, SecretError, StoreError
from rota.executions.clients import ClientPool
from rota.executions.masking import Masker
from rota.executions.secrets import ExecutionSecrets
from rota.flows.models import Flow
from rota.flows.templates import compile_value
from rota.flows.triggers import WebhookTrigger
from rota.server.triggers import firing_of
from rota.server.triggers_part import refuse_lease
from rota.store import flows, triggers
from rota.triggers.context import Means, TriggerContext
from rota.triggers.firing import Row, Start
from rota.triggers.flow_shelf import FlowShelf
from rota.triggers.webhook import KIND, Answer, Call, Refused, event_of, key_of_call

if TYPE_CHECKING:
    from rota.server.application import Application

logger = logging.getLogger("rota.triggers")
UNKNOWN = Answer(404, "there is no such webhook")


def receive(app: Application, namespace: str, flow: str, trigger: str, call: Call) -> Answer:
    """Take a call for a webhook trigger; see `Triggers.receive`."""
    try:
        found = _found(app, namespace, flow, trigger)
        return UNKNOWN if found is None else _receive(app, *found, call)
    except Refused as refused:
        return refused.answer
    except (StoreError, SecretError) as error:
        logger.warning("webhook `%s` of %s/%s: %s", trigger, namespace, flow, error)
        return Answer(503, "it cannot be taken now, try again later")
    except RotaError as error:
        logger.warning("webhook `%s` of %s/%s: %s", trigger, namespace, flow, error)
        return Answer(422, error.message)


def _found(app: Application, namespace: str, flow: str, name: str) -> tuple[Row, Flow, WebhookTrigger] | None:
    """Return a webhook that is on: for callers one that is off does not exist."""
    with app.store.read() as conn:
        row = triggers.get(conn, namespace, flow, name)
        revision = flows.newest(conn, namespace, flow)
    if row is None or revision is None or not row["enabled"] or row["next_at"] is None:
        return None
    shelf = FlowShelf(app.store)
    try:
        trigger = shelf.trigger(revision, name)
    except NotFound:
        return None
    if not isinstance(trigger, WebhookTrigger):
        return None
    return {**row, "revision_id": revision}, shelf.flow(revision), trigger


def _receive(app: Application, row: Row, flow: Flow, trigger: WebhookTrigger, call: Call) -> Answer:
    event = event_of(call, trigger, partial(_render, app, row))
    key = key_of_call(trigger, event) or uuid.uuid4().hex
    now = time.time()
    firing = firing_of(app)
    made = firing.make(Start(row, KIND, key, now, event), flow, trigger)
    if made.error:
        raise Refused(422, made.error)
    if made.execution is None:
        return Answer(200, "nothing is started: `when` says no")
    with app.writable.write() as conn:
        new = firing.write(conn, [made], now)
        app.store.notify(conn, "executions")
        if not new:
            before = triggers.execution_of(conn, row, KIND, key)
            return Answer(200, "this call was taken before", before)
        names = ("namespace", "flow", "trigger", "fingerprint", *triggers.STANDING)
        standing = {name: row[name] for name in names}
        standing |= {"last_at": now, "execution_id": made.execution["id"], "updated_at": now}
        triggers.move(conn, [standing])
    if app.running is not None:
        app.running.look_for_work()
    return Answer(202, "started", made.execution["id"])


def _render(app: Application, row: Row, value: Any) -> Any:
    """Return the value of `token` or `hmac`, which may be an expression with a secret. Raises SecretError."""
    masker, namespace = Masker(), row["namespace"]
    secrets = ExecutionSecrets(namespace, app.resources.backends_of(namespace), masker, refuse_lease)
    means = Means(_no_values, ClientPool(), masker, secrets.get)
    ctx = TriggerContext(namespace, row["flow"], row["trigger"], {}, means)
    text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return compile_value(text).render({"secret": lambda name, **_: secrets.get(name, ctx)})


def _no_values(_namespace: str) -> NoReturn:
    raise RotaError("secret backends have no keys and values")
