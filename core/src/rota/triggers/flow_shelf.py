"""The flows that triggers belong to, by revision: read when they are first needed, the most used are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from rota.errors import NotFound
from rota.flows.loader import parse_flow
from rota.flows.models import Flow
from rota.flows.triggers import AnyTrigger
from rota.store import Connection, Store, flows

KEPT = 512


class FlowShelf:
    """Flows by revision."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[int, Flow] = OrderedDict()
        self._ahead: dict[int, dict[str, Any]] = {}

    def read_ahead(self, conn: Connection, revision_ids: Iterable[int]) -> None:
        """Read the sources of revisions that are asked for soon, all at once."""
        wanted = [number for number in dict.fromkeys(revision_ids) if number not in self._kept]
        self._ahead = {row["id"]: row for row in flows.sources(conn, wanted)} if wanted else {}

    def flow(self, revision_id: int) -> Flow:
        """Return the flow of a revision. Raises NotFound, FlowError."""
        found = self._kept.get(revision_id)
        if found is None:
            row = self._ahead.pop(revision_id, None) or self._read(revision_id)
            found = self._kept[revision_id] = parse_flow(row["source"], f"{row['namespace']}/{row['flow']}.yaml").flow
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(revision_id)
        return found

    def _read(self, revision_id: int) -> dict[str, Any]:
        with self._store.read() as conn:
            found = flows.sources(conn, [revision_id])
        if not found:
            raise NotFound(f"revision {revision_id} is not there any more")
        return found[0]

    def trigger(self, revision_id: int, name: str) -> AnyTrigger:
        """Return a trigger of a revision. Raises NotFound, FlowError."""
        found = next((one for one in self.flow(revision_id).triggers if one.id == name), None)
        if found is None:
            raise NotFound(f"the flow has no trigger `{name}` any more")
        return found
