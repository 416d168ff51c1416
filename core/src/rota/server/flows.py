"""Deployed flows, as the facade offers them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rota.errors import NotFound, StoreError
from rota.store import flows, triggers
from rota.store.flows import Deployed
from rota.triggers.definitions import definitions_of

if TYPE_CHECKING:
    from rota.flows.checker import FlowLookup
    from rota.flows.loader import LoadedFlow
    from rota.flows.models import Flow
    from rota.server.application import Application

Row = dict[str, Any]
Rows = list[Row]


class Flows:
    """Flows in the store: every change is a new revision."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def deploy(self, loaded: LoadedFlow, *, namespace: str | None = None, author: str = "") -> Deployed:
        """Make a flow the newest revision of itself, unless it is that already. Check it before."""
        where = namespace or loaded.flow.namespace or "default"
        content = {file.name: file.content for file in loaded.files}
        with self._app.writable.write() as conn:
            now = time.time()
            found = flows.deploy(conn, where, loaded.flow.id, loaded.source, content, author=author, at=now)
            triggers.sync(conn, where, loaded.flow.id, definitions_of(loaded.flow), at=now)
            self._app.store.notify(conn, "flows")
        self._app.wake()
        return found

    def list(self, *, namespace: str | None = None, limit: int | None = None) -> Rows:
        """Return the deployed flows (of a namespace and those below it) without their source."""
        with self._app.store.read() as conn:
            return flows.page(conn, namespace=namespace, limit=limit)

    def get(self, namespace: str, flow: str, *, number: int | None = None) -> Row:
        """Return a flow with the `source` of its newest revision, or of revision `number`. Raises NotFound."""
        with self._app.store.read() as conn:
            row = flows.get(conn, namespace, flow) if number is None else flows.numbered(conn, namespace, flow, number)
        if row is None:
            what = f"`{namespace}/{flow}`" + ("" if number is None else f" revision {number}")
            raise NotFound(f"there is no flow {what}", hint="`rota flows list` shows them")
        return row

    def lookup(self) -> FlowLookup | None:
        """Return what finds deployed flows for the checks; None where there is no database, or none that answers."""
        from rota.flows.loader import parse_flow
        from rota.store import exists

        try:
            store = self._app.store if exists(self._app.settings.store) else None
        except StoreError:
            return None
        if store is None:
            return None

        def find(namespace: str, flow: str) -> Flow | None:
            with store.read() as conn:
                row = flows.get(conn, namespace, flow)
            return None if row is None else parse_flow(row["source"], f"{namespace}/{flow}.yaml").flow

        return find

    def revisions(self, namespace: str, flow: str) -> Rows:
        """Return the revisions of a flow without their source, newest first."""
        with self._app.store.read() as conn:
            return flows.history(conn, namespace, flow)

    def files(self, row: Row) -> dict[str, bytes]:
        """Return the files of a revision by path."""
        with self._app.store.read() as conn:
            contents = flows.contents(conn, list(row["files"].values()))
        return {path: contents[digest] for path, digest in row["files"].items()}

    def delete(self, namespace: str, flow: str) -> None:
        """Delete a flow: nothing starts it any more; its executions stay. Raises NotFound."""
        with self._app.writable.write() as conn:
            if not flows.delete(conn, namespace, flow, at=time.time()):
                raise NotFound(f"there is no flow `{namespace}/{flow}`", hint="`rota flows list` shows them")
            triggers.sync(conn, namespace, flow, [], at=time.time())
