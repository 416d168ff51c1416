"""The deployed flows as alerts need them: their rules and their `sla`, read from the store when first asked for."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from typing import TYPE_CHECKING

from rota.errors import RotaError
from rota.flows.models import Flow
from rota.store import Connection, flows

if TYPE_CHECKING:
    from rota.store import Store

logger = logging.getLogger("rota.alerts")
KEPT = 1024
_WORDS = re.compile(r"\b(alerts|sla)\b")


class FlowBook:
    """Flows by revision, the most used are kept. A flow without a word of alerts is not even parsed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[int, Flow | None] = OrderedDict()

    def of_revision(self, revision_id: int) -> Flow | None:
        """Return the flow of a revision, None where it tells nobody of anything."""
        if revision_id not in self._kept:
            with self._store.read() as conn:
                self._kept[revision_id] = self._read(conn, revision_id)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(revision_id)
        return self._kept[revision_id]

    def _read(self, conn: Connection, revision_id: int) -> Flow | None:
        row = flows.revision(conn, revision_id)
        if row is None or _WORDS.search(row["source"]) is None:
            return None
        from rota.flows.loader import parse_flow

        name = f"{row['namespace']}/{row['flow']}.yaml"
        try:
            return parse_flow(row["source"], name).flow
        except RotaError as error:
            logger.warning("the alert rules of %s cannot be read: %s", name, error)
            return None
