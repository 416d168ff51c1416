"""Trigger `objectstore.object_created`: objects that come to a folder."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from rota import Context, Duration, Event, Trigger
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.digests import plain
from rota_objectstore.places import Place, Uri, parse_uri

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore


def _is_folder(uri: str) -> str:
    folder, _, name = uri.rpartition("/")
    if "*" in name:
        raise ValueError(f'`{uri}` is a folder, and has no `*`; write `uri: {folder}/` and `pattern: "{name}"`')
    return uri


class ObjectCreated(StoreFields, Trigger):
    """Start a flow for each object that comes to a folder, or that is written anew.

    `trigger.event` has `uri`, `name`, `size` (bytes), `modified` and `etag`; `trigger.date` is when the object was
    written. Nothing is changed in the store: what was seen is remembered here.

    Example:
        - id: statement
          type: objectstore.object_created
          uri: s3://incoming/statements/
          pattern: "*.csv"
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/flows#access_key') }}"
          secret_key: "{{ secret('s3/flows#secret_key') }}"
          interval: 1m
    """

    uri: Annotated[Uri, AfterValidator(_is_folder)]
    """The folder."""
    pattern: str | None = Field(default=None, min_length=1)
    """Only objects whose name fits: `*`, `?`, `[…]`."""
    include_existing: bool = False
    """Whether the objects that are there when the trigger looks for the first time count, too."""
    lookback: Duration = timedelta(days=1)
    """How long an object may take from the date that the store gives it to its appearance: that of a large one is when
    its upload began."""

    def poll(self, ctx: Context) -> Iterable[Event]:
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        with Session(ctx) as session, in_words(self, place, "list"), store_at(ctx, self, place) as store:
            found = session.call(lambda: self._listed(store, place))
        return self._new(ctx, place, found)

    async def _listed(self, store: ObjectStore, place: Place) -> list[ObjectMeta]:
        from rota_objectstore.listing import fits, walk

        return [meta async for meta in walk(store, place) if fits(place, meta["path"], self.pattern)]

    def _new(self, ctx: Context, place: Place, found: list[ObjectMeta]) -> list[Event]:
        """Return events for what is new.

        The state: the newest date seen (`until`), and what was seen in the `lookback` before it (`seen`: key to mark).
        """
        first = "until" not in ctx.state
        until = datetime.now(UTC) if first else datetime.fromisoformat(ctx.state["until"])
        seen: dict[str, str] = ctx.state.get("seen", {})
        oldest = until - self.lookback
        taken = sorted(found, key=lambda meta: (meta["last_modified"], meta["path"]))
        if not (first and self.include_existing):
            taken = [meta for meta in taken if meta["last_modified"] >= oldest]
        new = [meta for meta in taken if seen.get(meta["path"]) != _mark(meta)]
        if taken and not first:
            until = max(until, taken[-1]["last_modified"])
        kept = until - self.lookback
        ctx.state["until"] = until.isoformat()
        ctx.state["seen"] = {meta["path"]: _mark(meta) for meta in taken if meta["last_modified"] >= kept}
        return [] if first and not self.include_existing else [_event(place, meta) for meta in new]


def _mark(meta: ObjectMeta) -> str:
    return f"{plain(meta['e_tag'])} {meta['last_modified'].isoformat()}"


def _event(place: Place, meta: ObjectMeta) -> Event:
    uri, date = place.at(meta["path"]).uri, meta["last_modified"]
    data = {
        "uri": uri,
        "name": place.relative(meta["path"]),
        "size": meta["size"],
        "modified": date.isoformat(),
        "etag": plain(meta["e_tag"]),
    }
    return Event(f"{uri} {_mark(meta)}", data, date)
