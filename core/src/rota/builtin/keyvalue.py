"""Task types `kv.set`, `kv.get` and `kv.delete`: the durable key-value store of the namespace."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from rota import Context, Duration, Task, TaskFailed
from rota.builtin.json_text import json_text


class KvSet(Task):
    """Store a value under a key.

    Example:
        - id: remember
          type: kv.set
          key: last_backup
          value: "{{ execution.started_at }}"
          ttl: 7d
    """

    type_name: ClassVar[str | None] = "kv.set"
    idempotent = True

    key: str = Field(min_length=1)
    """The key, one for all flows of the namespace."""
    value: Any
    """The value: anything that JSON can hold. Secrets are refused."""
    ttl: Duration | None = None
    """How long it stays. Default: for ever."""

    def run(self, ctx: Context) -> None:
        ctx.kv.set(self.key, json.loads(json_text(self.value, secrets="refuse")), ttl=self.ttl)


class Found(BaseModel):
    """What is stored under a key."""

    value: Any
    """The value, or the default."""
    found: bool
    """Whether the key was there."""


class KvGet(Task):
    """Read the value of a key.

    Example:
        - id: last
          type: kv.get
          key: last_backup
          default: never
    """

    type_name: ClassVar[str | None] = "kv.get"
    idempotent = True

    key: str = Field(min_length=1)
    """The key."""
    default: Any = None
    """The value where there is no such key."""
    required: bool = False
    """Fail where there is no such key."""

    def run(self, ctx: Context) -> Found:
        missing = object()
        value = ctx.kv.get(self.key, missing)
        if value is not missing:
            return Found(value=value, found=True)
        if self.required:
            raise TaskFailed(f"there is no key `{self.key}` in namespace `{ctx.namespace}`")
        return Found(value=self.default, found=False)


class Deleted(BaseModel):
    """What became of a key."""

    deleted: bool
    """Whether the key was there."""


class KvDelete(Task):
    """Remove a key; one that is not there is no error.

    Example:
        - id: forget
          type: kv.delete
          key: last_backup
    """

    type_name: ClassVar[str | None] = "kv.delete"
    idempotent = True

    key: str = Field(min_length=1)
    """The key."""

    def run(self, ctx: Context) -> Deleted:
        return Deleted(deleted=ctx.kv.delete(self.key))
