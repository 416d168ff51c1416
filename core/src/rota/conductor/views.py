"""What the workers see of an execution, made from its row."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rota.conductor.secret_leases import lease_values
from rota.executions.clients import ClientPool
from rota.executions.masking import Masker
from rota.executions.secrets import ExecutionSecrets
from rota.executions.values import unsealed
from rota.executions.view import ExecutionView
from rota.extensions import Lease
from rota.flows.given import parse_inputs
from rota.flows.templates import secret_values
from rota.store import flows, leases

if TYPE_CHECKING:
    from rota.conductor.host import LocalHost
    from rota.conductor.live import Revision
    from rota.conductor.resources import Resources


def view_of(row: Mapping[str, Any], revision: Revision, resources: Resources, host: LocalHost) -> ExecutionView:
    """Return the view of the execution in `row`. Raises SecretError if its inputs cannot be decrypted."""
    settings = resources.settings.namespace_settings(row["namespace"])
    timezone = revision.flow.timezone or resources.settings.timezone
    zone = ZoneInfo(timezone)
    stored = unsealed(row["inputs"] or {}, resources.unseal)
    masker = Masker()
    for value in secret_values(stored):
        masker.add_all(value)
    given = {name: value for name, value in stored.items() if value is not None}
    inputs = {**stored, **parse_inputs(_known(revision, given), given, timezone=zone)}
    return ExecutionView(
        row["id"],
        row["namespace"],
        row["flow"],
        row["run"],
        datetime.fromtimestamp(row["started_at"] or row["created_at"], zone),
        inputs,
        _variables(row, revision, resources, settings.variables),
        row["labels"] or {},
        trigger_names(unsealed(row["trigger"], resources.unseal), row["created_at"], zone),
        timezone,
        resources.workdir,
        FlowFiles(resources, revision.files) if revision.files else {},
        settings.run_as,
        ExecutionSecrets(
            row["namespace"], resources.backends_of(row["namespace"]), masker, _recorder(row["id"], resources, host)
        ),
        masker,
        ClientPool(),
        host,
        revision.setters,
    )


class FlowFiles(Mapping[str, bytes]):
    """The files of a revision by path, read from the store when they are first used."""

    def __init__(self, resources: Resources, digests: Mapping[str, str]) -> None:
        self._resources = resources
        self._digests = digests
        self._contents: dict[str, bytes] | None = None

    def _loaded(self) -> dict[str, bytes]:
        if self._contents is None:
            with self._resources.store.read() as conn:
                found = flows.contents(conn, list(self._digests.values()))
            self._contents = {path: found[digest] for path, digest in self._digests.items()}
        return self._contents

    def __getitem__(self, path: str) -> bytes:
        return self._loaded()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)


def _known(revision: Revision, given: Mapping[str, Any]) -> list[Any]:
    return [spec for spec in revision.flow.inputs if spec.id in given]


def _variables(
    row: Mapping[str, Any], revision: Revision, resources: Resources, outer: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return `vars`: as rendered when the execution was created, where there was anything to render."""
    if row.get("variables") is None:
        return {**outer, **revision.flow.variables}
    found: dict[str, Any] = unsealed(row["variables"], resources.unseal)
    return found


def trigger_names(trigger: Mapping[str, Any] | None, created_at: float, zone: tzinfo) -> dict[str, Any]:
    """Return `trigger` for expressions: `id, type, date, event`."""
    trigger = dict(trigger or {"id": "manual", "type": "manual"})
    date = trigger.get("date")
    trigger["date"] = (
        datetime.fromisoformat(date).astimezone(zone) if date else datetime.fromtimestamp(created_at, zone)
    )
    trigger.setdefault("event", {})
    return trigger


def _recorder(execution_id: str, resources: Resources, host: LocalHost) -> Any:
    def record(backend: str, path: str, lease: Lease) -> None:
        text = resources.keyring.encrypt(lease_values(lease))
        ends = time.time() + lease.duration.total_seconds()
        host.write(lambda conn: leases.add(conn, execution_id, backend, path, text, ends))

    return record
