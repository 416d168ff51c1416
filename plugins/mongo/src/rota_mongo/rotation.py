"""Task type `mongo.rotate_password`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from rota import Context, TaskFailed
from rota_mongo.client import MECHANISMS, open_client
from rota_mongo.connection import MongoTask
from rota_mongo.failures import WRONG_LOGIN, failure_of
from rota_mongo.operation import check_cancelled, connected
from rota_mongo.users import warn_of_plain_text

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

_SCRAM = frozenset({"scram", "scram_sha_1", "scram_sha_256"})
_LOOK = 0.2
_TRIES = 25
"""How often the old login is tried: a member may know the new password a moment later than the others."""


class Rotated(BaseModel):
    """What is true of the user's logins now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    user: str
    """The user."""
    database: str
    """The database that it belongs to."""
    changed: bool
    """Whether the password was set now; false where a run before had set it."""
    new_login_works: bool
    """Whether a login with the new password was tried, and is good."""
    old_login_refused: bool | None
    """Whether a login with the old password was tried, and is refused; none where the old one is not known."""


class RotatePassword(MongoTask):
    """Set a user's password, prove that the new login works, and that the old one does not.

    The connection is the user's own, with its old password, or an administrator's. It can be run again after
    whatever happened: where the old login is refused and the new one works, what is left is proved. No password
    is in a log, an output or an error.

    Example:
        - id: rotate
          type: mongo.rotate_password
          host: db-01.internal
          user: backup
          password: "{{ secret('db-01/backup#password') }}"
          new_password: "{{ secret('db-01/backup#staged') }}"
    """

    idempotent: ClassVar[bool] = True

    new_password: SecretStr = Field(min_length=1)
    """The password from now on."""
    name: str | None = None
    """The user whose password it is. Default: the one of the connection."""
    database: str | None = None
    """The database that the user belongs to. Default: `auth_database`, else `admin`."""
    old_password: SecretStr | None = None
    """The password until now, for the proof. Default: that of the connection, where the user is the same."""
    mechanisms: list[Literal["SCRAM-SHA-1", "SCRAM-SHA-256"]] | None = Field(default=None, min_length=1)
    """How the user may log in from now on. Default: as before."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.auth is not None and self.auth not in _SCRAM and self.name is None:
            raise ValueError(f"the password of a user of `auth: {self.auth}` is not MongoDB's to change")
        return self

    def run(self, ctx: Context) -> Rotated:
        own_user, own_password, own_database = self._own()
        name, database = self.name or own_user, self.database or own_database
        if not name:
            raise TaskFailed("whose password? the connection has no user, and `name` is not given", retryable=False)
        own = (name, database) == (own_user, own_database)
        old = self.old_password.get_secret_value() if self.old_password else (own_password if own else None)
        new = self.new_password.get_secret_value()
        if old == new:
            raise TaskFailed(f"the new password of `{name}` is the old one", retryable=False)
        result = Rotated(user=name, database=database, changed=False, new_login_works=False, old_login_refused=None)
        result.changed = self._set(ctx, name, database, own=own)
        ctx.output(result)
        self._prove(ctx, result, old)
        return result

    def _own(self) -> tuple[str, str | None, str]:
        """Return user, password and database of the connection."""
        user, database = self.user or "", self.auth_database
        password = self.password.get_secret_value() if self.password else None
        if self.uri is not None and not (user and password and database):
            from pymongo.uri_parser import parse_uri

            with suppress(Exception):  # whatever is wrong with it, connecting says it better
                parts = parse_uri(self.uri_text, validate=False, warn=False)
                user, password = user or parts["username"] or "", password or parts["password"]
                database = database or parts["options"].get("authsource") or parts["database"]
        return user, password, database or "admin"

    def _set(self, ctx: Context, name: str, database: str, *, own: bool) -> bool:
        """Set the password; return False where it was set before, by a run that ended there."""
        from pymongo.errors import OperationFailure

        new = self.new_password.get_secret_value()
        fields: dict[str, Any] = {"pwd": new, **({"mechanisms": self.mechanisms} if self.mechanisms else {})}
        with connected(self, ctx, f"rotate the password of `{name}`") as client:
            try:
                client.admin.command("ping")
            except OperationFailure as error:
                if own and error.code in WRONG_LOGIN and self._login(ctx, name, database, new) is None:
                    ctx.log.info(f"the password of `{name}` was set before")
                    return False
                raise
            warn_of_plain_text(self, client, ctx)
            check_cancelled(ctx)
            client[database].command(
                {"updateUser": name, **fields, "writeConcern": {"w": "majority", "j": True, "wtimeout": 60_000}}
            )
        ctx.log.info(f"the password of `{name}` is set")
        return True

    def _prove(self, ctx: Context, result: Rotated, old: str | None) -> None:
        name, database = result.user, result.database
        error = self._login(ctx, name, database, self.new_password.get_secret_value())
        if error is not None:
            raise self._unproved(error, "the password was set, but the new login does not work", result)
        result.new_login_works = True
        if old is None:
            ctx.log.warning(f"the old password of `{name}` is not known: that it is refused was not tried")
            return
        for _ in range(_TRIES):
            error = self._login(ctx, name, database, old)
            if error is not None and getattr(error, "code", None) in WRONG_LOGIN:
                result.old_login_refused = True
                ctx.log.info(f"`{name}` logs in with the new password, and not with the old one")
                return
            if error is not None:
                raise self._unproved(error, "the old login could not be tried", result)
            if ctx.cancelled.wait(_LOOK):
                break
        result.old_login_refused = False
        raise TaskFailed(f"the new password of `{name}` is set, but the old one still works", output=result)

    def _unproved(self, error: PyMongoError, what: str, result: Rotated) -> TaskFailed:
        failure = failure_of(error, self, f"rotate the password of `{result.user}`: {what}")
        assert failure is not None  # it is pymongo's
        text = failure.message
        for secret in (self.new_password, self.old_password):
            text = text.replace(secret.get_secret_value(), "***") if secret else text
        # Another try proves what is left: what was set stays set.
        return TaskFailed(text, output=result)

    def _login(self, ctx: Context, name: str, database: str, password: str) -> PyMongoError | None:
        """Log in over a connection of its own; return the error of a login that fails."""
        import pymongo
        from pymongo.errors import PyMongoError

        options: dict[str, Any] = {"username": name, "password": password, "authSource": database}
        options["authMechanism"] = MECHANISMS[self.auth] or "DEFAULT" if self.auth in _SCRAM else "DEFAULT"
        try:
            with open_client(self, **options) as client, pymongo.timeout(self.selection_timeout.total_seconds()):
                client.admin.command("ping")
        except PyMongoError as error:
            return error
        return None
