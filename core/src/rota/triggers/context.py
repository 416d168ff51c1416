"""The `Context` that a polling trigger gets: its log, secrets, keys and values, clients, and its durable memory."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import SecretStr

from rota.context import Context, KeyValue
from rota.executions.clients import ClientPool
from rota.executions.masking import Masker
from rota.executions.outside import OutsideContext, ServerLog

T = TypeVar("T")
logger = logging.getLogger("rota.triggers")


class Memory(MutableMapping[str, Any]):
    """`ctx.state` of a poll: JSON values, on record together with the executions that the poll starts."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @property
    def values_now(self) -> dict[str, Any]:
        """What is to be kept."""
        return dict(self._values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        # Refused here, where the trigger can be named, and not in the transaction.
        self._values[key] = json.loads(json.dumps(value, allow_nan=False))

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Means:
    """What a server gives its polls: `secret` takes a name and the context that asks."""

    kv: Callable[[str], KeyValue]
    clients: ClientPool
    masker: Masker
    secret: Callable[[str, Context], SecretStr]


class TriggerContext(OutsideContext):
    """What a trigger may ask for while it polls."""

    what = "a trigger"

    def __init__(self, namespace: str, flow: str, trigger: str, state: Mapping[str, Any], means: Means) -> None:
        name = f"{namespace}/{flow}/{trigger}"
        super().__init__(ServerLog(logger, means.masker, name), namespace=namespace, flow=flow)
        self.task_id, self.task_run_id, self.idempotency_key = trigger, name, name
        self.memory = Memory(state)
        self._means = means

    @property
    def kv(self) -> KeyValue:  # type: ignore[override]
        return self._means.kv(self.namespace)

    @property
    def state(self) -> MutableMapping[str, Any]:  # type: ignore[override]
        return self.memory

    def secret(self, name: str) -> SecretStr:
        return self._means.secret(name, self)

    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> AbstractContextManager[T]:
        return self._means.clients.lend(self.task_run_id, key, open, close, shared=shared)
