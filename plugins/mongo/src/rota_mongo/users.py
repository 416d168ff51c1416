"""Task types `mongo.create_user` and `mongo.grant`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from rota import Context, TaskFailed
from rota_mongo.connection import MongoTask
from rota_mongo.operation import connected

if TYPE_CHECKING:
    from rota_mongo.client import Client
    from rota_mongo.connection import Connection

_EXISTS = 51003
_NO_USER = 11


class Role(BaseModel):
    """A role in a database."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    role: str = Field(min_length=1)
    """Its name: `read`, `readWrite`, `backup`, …"""
    db: str = Field(min_length=1)
    """The database that it is about; `admin` for roles about all of them."""


Roles_ = list[Role | str]


def role_documents(roles: Roles_) -> list[Any]:
    """Return roles as MongoDB takes them; a name alone is a role of the user's own database."""
    return [role if isinstance(role, str) else {"role": role.role, "db": role.db} for role in roles]


class User(BaseModel):
    """A user, as it is now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    user: str
    """Its name."""
    database: str
    """The database that it belongs to."""
    roles: list[Role]
    """All its roles."""
    changed: bool
    """Whether anything was done."""


class CreateUser(MongoTask):
    """Create a user.

    Example:
        - id: billing
          type: mongo.create_user
          uri: "{{ secret('shop#admin_uri') }}"
          name: billing
          new_password: "{{ secret('shop/billing#password') }}"
          roles:
            - {role: read, db: shop}
            - {role: readWrite, db: invoices}
          exists: update
    """

    name: str = Field(min_length=1)
    """Name of the new user. For `database: $external`, what the certificate or the directory calls it."""
    new_password: SecretStr | None = Field(default=None, min_length=1)
    """Its password; none for users of `$external`."""
    database: str = Field(default="admin", min_length=1)
    """The database that it belongs to, and logs in with."""
    roles: Roles_ = Field(default_factory=list)
    """Its roles: `{role, db}`, or the name of a role of its own database."""
    mechanisms: list[Literal["SCRAM-SHA-1", "SCRAM-SHA-256"]] | None = Field(default=None, min_length=1)
    """How it may log in. Default: as the server does it."""
    exists: Literal["fail", "update", "keep"] = "fail"
    """What to do when it is there already: `update` sets password and roles, `keep` leaves it as it is."""

    @model_validator(mode="after")
    def _has_a_password(self) -> Self:
        if (self.new_password is None) != (self.database == "$external"):
            raise ValueError("`new_password` is needed, but for users of `$external`, who have none in MongoDB")
        return self

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is unless a user that is there is a failure."""
        return self.exists != "fail"

    def run(self, ctx: Context) -> User:
        doing = f"create the user `{self.name}` of `{self.database}`"
        with connected(self, ctx, doing) as client:
            from pymongo.errors import OperationFailure

            fields: dict[str, Any] = {"roles": role_documents(self.roles)}
            if self.new_password is not None:
                warn_of_plain_text(self, client, ctx)
                fields["pwd"] = self.new_password.get_secret_value()
            if self.mechanisms:
                fields["mechanisms"] = self.mechanisms
            changed = True
            try:
                client[self.database].command("createUser", self.name, **fields)
            except OperationFailure as error:
                if error.code != _EXISTS:
                    raise
                if self.exists == "fail":
                    hint = "`exists: update` sets password and roles, `exists: keep` leaves it"
                    raise TaskFailed(f"{doing}: it is there already", retryable=False, hint=hint) from None
                changed = self.exists == "update"
                if changed:
                    client[self.database].command("updateUser", self.name, **fields)
            return read_user(client, self.name, self.database, changed=changed)


class Grant(MongoTask):
    """Give roles to a user; those that it has already are no error.

    Example:
        - id: may_read_orders
          type: mongo.grant
          uri: "{{ secret('shop#admin_uri') }}"
          name: billing
          roles: [{role: read, db: orders}]
    """

    idempotent: ClassVar[bool] = True

    name: str = Field(min_length=1)
    """Name of the user."""
    database: str = Field(default="admin", min_length=1)
    """The database that it belongs to."""
    roles: Roles_ = Field(default_factory=list)
    """The roles to give: `{role, db}`, or the name of a role of the user's own database."""
    revoke: Roles_ = Field(default_factory=list)
    """The roles to take away."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.roles and not self.revoke:
            raise ValueError("give `roles`, `revoke`, or both")
        return self

    def run(self, ctx: Context) -> User:
        with connected(self, ctx, f"grant roles to `{self.name}` of `{self.database}`") as client:
            before = read_user(client, self.name, self.database, changed=False)
            database = client[self.database]
            if self.roles:
                database.command("grantRolesToUser", self.name, roles=role_documents(self.roles))
            if self.revoke:
                database.command("revokeRolesFromUser", self.name, roles=role_documents(self.revoke))
            after = read_user(client, self.name, self.database, changed=True)
            return after.model_copy(update={"changed": set(after.roles) != set(before.roles)})


def read_user(client: Client, name: str, database: str, *, changed: bool) -> User:
    """Return a user as the server has it. Raises TaskFailed where there is none."""
    users = client[database].command("usersInfo", {"user": name, "db": database})["users"]
    if not users:
        raise TaskFailed(f"there is no user `{name}` of `{database}`", retryable=False)
    roles = [Role(role=role["role"], db=role["db"]) for role in users[0].get("roles", ())]
    return User(user=name, database=database, roles=roles, changed=changed)


def warn_of_plain_text(connection: Connection, client: Client, ctx: Context) -> None:
    """Say so where a new password would cross a network unencrypted: MongoDB sends it as it is."""
    loopback = {"localhost", "127.0.0.1", "::1"}
    uses_tls = bool(client.options.pool_options._ssl_context)  # noqa: SLF001 - there is no public way to ask
    if not uses_tls and not {host for host, _ in client.nodes} <= loopback:
        ctx.log.warning(f"the connection to `{connection.place()}` has no TLS: the new password can be read on its way")
