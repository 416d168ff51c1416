"""The `Context` that a sink gets: a log, the secrets of the settings, and nothing of any execution."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import SecretStr

from rota.context import Context
from rota.executions.masking import Masker
from rota.executions.outside import OutsideContext, ServerLog
from rota.extensions import Alert

T = TypeVar("T")
logger = logging.getLogger("rota.alerts")


class SinkContext(OutsideContext):
    """What a sink may ask for while it sends."""

    what = "a sink"

    def __init__(self, alert: Alert | None, masker: Masker, secret: Callable[[str, Context], SecretStr]) -> None:
        log = ServerLog(logger, masker)
        if alert is None:
            super().__init__(log)
        else:
            super().__init__(log, namespace=alert.namespace, flow=alert.flow, execution_id=alert.execution_id)
            self.idempotency_key = alert.id
        self._secret = secret

    def secret(self, name: str) -> SecretStr:
        return self._secret(name, self)

    @contextmanager
    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> Iterator[T]:
        """Lend a client for the block, and close it."""
        client = open()
        try:
            yield client
        finally:
            close(client)
