"""Task types `vault.read`, `vault.write`, `vault.patch`, `vault.delete` and `vault.list`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, Secret, SecretStr

from rota import Context, TaskFailed
from rota_vault.connection_fields import reveal
from rota_vault.task import VaultTask, secret_value

_OUTPUT = ConfigDict(use_attribute_docstrings=True)
_MERGE = {"Content-Type": "application/merge-patch+json"}


class SecretRead(BaseModel):
    """A secret."""

    model_config = _OUTPUT

    data: dict[str, SecretStr | Secret[Any]]
    """Its fields, each a secret."""
    version: int | None = None
    """Its version, in KV 2."""
    lease_id: str = ""
    """Its lease, where it has one: end it with `vault.revoke_lease`."""
    lease_seconds: int = 0
    """How long the lease lasts."""


class Written(BaseModel):
    """What was written."""

    model_config = _OUTPUT

    version: int | None = None
    """The version that it became, in KV 2."""
    data: dict[str, SecretStr | Secret[Any]] = {}
    """What Vault answered, each a secret; nothing in KV."""


class Listed(BaseModel):
    """What is in a folder."""

    model_config = _OUTPUT

    keys: list[str]
    """The names in it; those of folders end in a slash."""


class PathTask(VaultTask):
    """A task with a secret's path."""

    path: str = Field(min_length=1, pattern=r"^[^/?#\s][^?#]*$")
    """Where it is, below `mount`; the whole path with `engine: plain`."""
    mount: str = Field(default="secret", min_length=1)
    """Where the engine is mounted."""
    engine: Literal["kv2", "kv1", "plain"] = "kv2"
    """KV version 2 or 1; `plain` takes `path` as it is, whatever is there: `auth/token/lookup-self`."""

    def address(self, part: str = "data") -> str:
        """Return the path that Vault's API has for the secret, or for another `part` of it."""
        if self.engine == "plain":
            return self.path
        middle = f"/{part}" if self.engine == "kv2" else ""
        return f"{self.mount.strip('/')}{middle}/{self.path}"


class Read(PathTask):
    """Read a secret.

    Example:
        - id: login
          type: vault.read
          url: https://vault.bank.internal:8200
          approle: {role_id: rota, secret_id: "{{ secret('vault#secret_id') }}"}
          path: mongo/db-01
    """

    idempotent: ClassVar[bool] = True

    version: int | None = Field(default=None, ge=1)
    """Which version, in KV 2. Default: the newest."""

    def run(self, ctx: Context) -> SecretRead:
        params = {"version": self.version} if self.version else None
        found = self.ask(ctx, "get", self.address(), params=params)
        data, version = found.get("data") or {}, None
        if self.engine == "kv2":
            version, data = data.get("metadata", {}).get("version"), data.get("data") or {}
        return SecretRead(
            data={name: secret_value(value) for name, value in data.items()},
            version=version,
            lease_id=found.get("lease_id") or "",
            lease_seconds=found.get("lease_duration") or 0,
        )


class Write(PathTask):
    """Write a secret, all of its fields.

    Example:
        - id: stage
          type: vault.write
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          path: mongo/db-01/staged
          data: {password: "{{ outputs.new.password }}"}
          cas: 0
    """

    data: dict[str, Any] = Field(repr=False)
    """The fields."""
    cas: int | None = Field(default=None, ge=0)
    """Write only if this is the current version, in KV 2 (check-and-set); 0: only if there is none."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """With check-and-set a second run is refused, in KV 1 it changes nothing; elsewhere nobody knows."""
        return self.cas is not None or self.engine == "kv1"

    def run(self, ctx: Context) -> Written:
        data = reveal(self.data)
        if self.engine == "kv2":
            options = {"options": {"cas": self.cas}} if self.cas is not None else {}
            found = self.ask(ctx, "post", self.address(), {"data": data, **options})
            return Written(version=found["data"]["version"])
        answer = self.ask(ctx, "post", self.address(), data).get("data") or {}
        return Written(data={name: secret_value(value) for name, value in answer.items()})


class Patch(PathTask):
    """Change some fields of a secret, and leave the others.

    A field that is null is removed. A secret that is not there is an error.

    Example:
        - id: promote
          type: vault.patch
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          path: mongo/db-01
          data: {password: "{{ outputs.new.password }}"}
    """

    idempotent: ClassVar[bool] = True

    data: dict[str, Any] = Field(repr=False)
    """The fields to change."""
    cas: int | None = Field(default=None, ge=1)
    """Change only if this is the current version, in KV 2 (check-and-set)."""

    def run(self, ctx: Context) -> Written:
        data = reveal(self.data)
        if self.engine == "kv2":
            options = {"options": {"cas": self.cas}} if self.cas is not None else {}
            found = self.ask(ctx, "patch", self.address(), {"data": data, **options}, headers=_MERGE)
            return Written(version=found["data"]["version"])
        if self.engine == "plain":
            self.ask(ctx, "patch", self.address(), data, headers=_MERGE)
            return Written()
        known = self.ask(ctx, "get", self.address())["data"]
        merged = {name: value for name, value in {**known, **data}.items() if value is not None}
        self.ask(ctx, "post", self.address(), merged)
        return Written()


class Delete(PathTask):
    """Delete a secret; one that is not there is no error.

    Example:
        - id: unstage
          type: vault.delete
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          path: mongo/db-01/staged
          mode: all
    """

    idempotent: ClassVar[bool] = True

    mode: Literal["newest", "destroy", "all"] = "newest"
    """In KV 2: hide the newest version (or `versions`), which can be undone; `destroy` them for good; or remove `all`
    versions and everything known about them."""
    versions: list[int] = Field(default_factory=list)
    """Which versions, in KV 2."""

    def run(self, ctx: Context) -> None:
        if self.engine != "kv2" or (self.mode == "newest" and not self.versions):
            self.ask(ctx, "delete", self.address())
        elif self.mode == "all":
            self.ask(ctx, "delete", self.address("metadata"))
        elif not self.versions:
            raise TaskFailed("`mode: destroy` needs `versions`", retryable=False)
        else:
            part = "delete" if self.mode == "newest" else "destroy"
            self.ask(ctx, "post", self.address(part), {"versions": self.versions})


class List(PathTask):
    """List the secrets of a folder; one that is not there is empty.

    Example:
        - id: clusters
          type: vault.list
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          path: mongo
    """

    idempotent: ClassVar[bool] = True

    def run(self, ctx: Context) -> Listed:
        try:
            found = self.ask(ctx, "list", self.address("metadata"))
        except TaskFailed as error:
            if not getattr(error.__cause__, "absent", False):
                raise
            return Listed(keys=[])
        return Listed(keys=found["data"]["keys"])
