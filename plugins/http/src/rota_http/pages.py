"""Answers that come in pages: where the next one is, and what is on each."""

from __future__ import annotations

import json
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rota import Artifact, Context, TaskFailed
from rota_http.jmespaths import JmesPath, evaluated

if TYPE_CHECKING:
    import httpx


class Pages(BaseModel):
    """How an answer goes on: by the `Link` header of its pages, or by a cursor in each."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    link_header: bool = False
    """Follow the link `next` of the header `Link`."""
    cursor: JmesPath | None = None
    """A JMESPath expression: what leads from one page to the next. Null, empty or false ends it."""
    parameter: str | None = Field(default=None, min_length=1)
    """The parameter of the query that takes the cursor. Without it (and `field`) the cursor is the next address."""
    field: str | None = Field(default=None, min_length=1)
    """The field of the request's `json` that takes the cursor."""
    items: JmesPath = "@"
    """A JMESPath expression: the items of a page, a list. Default: the page itself."""
    max_pages: int = Field(default=1000, ge=1)
    """How many pages to read at most; the task fails where there are more."""

    @model_validator(mode="after")
    def _is_one_way(self) -> Pages:
        if self.link_header == (self.cursor is not None):
            raise ValueError("either `link_header: true` or `cursor`")
        if (self.parameter or self.field) and self.cursor is None:
            raise ValueError("`parameter` and `field` take a `cursor`")
        if self.parameter and self.field:
            raise ValueError("either `parameter` or `field`, not both")
        return self

    def following(self, response: httpx.Response, page: Any) -> Any:
        """Return what leads to the next page: a cursor or an address; None after the last."""
        if self.link_header:
            return response.links.get("next", {}).get("url") or None
        return evaluated(self.cursor or "", page) or None

    def items_of(self, page: Any) -> list[Any]:
        """Return the items of a page. Raises TaskFailed where they are no list."""
        found = evaluated(self.items, page)
        if not isinstance(found, list):
            raise TaskFailed(
                f"`items: {self.items}` of a page is no list",
                retryable=False,
                hint="what is in a page stands in its JSON",
            )
        return found


class Collected:
    """The items of all pages: a list, or JSON Lines in an artifact once they are many. Use it in a `with` block."""

    def __init__(self, ctx: Context, limit: int, name: str) -> None:
        self._ctx, self._limit, self._name = ctx, limit, name
        self._held = ExitStack()
        self._items: list[Any] = []
        self._writer: Any = None
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def add(self, items: list[Any], size: int) -> None:
        """Take the items of a page of `size` bytes."""
        self.size += size
        if self._writer is None and self.size > self._limit:
            self._writer = self._held.enter_context(self._ctx.artifacts.writer(f"{self._name}.jsonl"))
            items, self._items = [*self._items, *items], []
        if self._writer is None:
            self._items += items
            return
        for item in items:
            self._writer.write(json.dumps(item, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")

    def result(self) -> list[Any] | Artifact:
        """Return all items, or the artifact that holds them."""
        if self._writer is None:
            return self._items
        self._held.close()
        artifact: Artifact = self._writer.artifact
        return artifact
