"""The flows that triggers belong to, by revision: read when they are first needed, the most used are kept."""

from __future__ import annotations

from collections import OrderedDict

from rota.errors import NotFound
from rota.flows.loader import parse_flow
from rota.flows.models import Flow
from rota.flows.triggers import AnyTrigger
from rota.store import Store, flows

KEPT = 512


class FlowShelf:
    """Flows by revision."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[int, Flow] = OrderedDict()

    def flow(self, revision_id: int) -> Flow:
        """Return the flow of a revision. Raises NotFound, FlowError."""
        found = self._kept.get(revision_id)
        if found is None:
            with self._store.read() as conn:
                row = flows.revision(conn, revision_id)
            if row is None:
                raise NotFound(f"revision {revision_id} is not there any more")
            found = self._kept[revision_id] = parse_flow(row["source"], f"{row['namespace']}/{row['flow']}.yaml").flow
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(revision_id)
        return found

    def trigger(self, revision_id: int, name: str) -> AnyTrigger:
        """Return a trigger of a revision. Raises NotFound, FlowError."""
        found = next((one for one in self.flow(revision_id).triggers if one.id == name), None)
        if found is None:
            raise NotFound(f"the flow has no trigger `{name}` any more")
        return found
