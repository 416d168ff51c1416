"""Task types `mongo.step_down` and `mongo.wait_for_primary`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rota import Context, Duration, TaskFailed
from rota_mongo.connection import MongoTask
from rota_mongo.failures import in_short, is_transient
from rota_mongo.operation import check_cancelled, connected, read_preference

if TYPE_CHECKING:
    from rota_mongo.client import Client

_EVERY = 0.5
_ONE_LOOK = 2.0


class PrimaryFound(BaseModel):
    """The primary that there is now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    address: str
    """Its `host:port`."""
    replica_set: str | None
    """The name of its replica set; none for a server on its own."""
    seconds: float
    """How long it took."""


class WaitForPrimary(MongoTask):
    """Wait until there is a primary that takes writes.

    Example:
        - id: elected
          type: mongo.wait_for_primary
          uri: "{{ secret('db-01#uri') }}"
          wait: 2m
    """

    idempotent: ClassVar[bool] = True

    wait: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0))
    """How long to wait."""
    other_than: str | None = None
    """A `host:port` that will not do, such as that of the primary before."""

    def run(self, ctx: Context) -> PrimaryFound:
        with connected(self, ctx, f"wait for a primary of `{self.place()}`") as client:
            return wait_for_primary(client, ctx, self.wait, self.other_than)


def wait_for_primary(client: Client, ctx: Context, wait: timedelta, other_than: str | None = None) -> PrimaryFound:
    """Return the primary once there is one. Raises TaskFailed after `wait`, and at once for a wrong login."""
    start, last = time.monotonic(), "no server has answered"
    while True:
        check_cancelled(ctx)
        try:
            hello = _look(client)
        except _Unreachable as error:
            last = str(error)
        else:
            address = str(hello.get("me") or "")
            if hello.get("isWritablePrimary") and (not other_than or address != other_than):
                found = address or ",".join(f"{host}:{port}" for host, port in client.nodes)
                return PrimaryFound(
                    address=found, replica_set=hello.get("setName"), seconds=round(time.monotonic() - start, 3)
                )
            last = f"`{address}` is still the primary" if hello.get("isWritablePrimary") else "there is no primary"
        if time.monotonic() - start + _EVERY > wait.total_seconds():
            check_cancelled(ctx)  # a look may have taken all of `wait`
            raise TaskFailed(f"there was no primary within {wait.total_seconds():g} s: {last}")
        ctx.cancelled.wait(_EVERY)


class _Unreachable(Exception):
    """No server can be asked now."""


def _look(client: Client) -> Mapping[str, Any]:
    """Return what the primary says of itself. Raises _Unreachable while there is none."""
    import pymongo
    from pymongo.errors import ConnectionFailure, NotPrimaryError, OperationFailure

    try:
        with pymongo.timeout(_ONE_LOOK):
            # Any member is asked first: what the client knows of them may be seconds old. It shows the login, too.
            anyone = read_preference("nearest")
            client.admin.command("ping", read_preference=anyone)
            hello: Mapping[str, Any] = client.admin.command("hello", read_preference=anyone)
            if not hello.get("isWritablePrimary") and hello.get("primary"):
                hello = client.admin.command("hello")
    except (ConnectionFailure, NotPrimaryError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error) or "certificate verify failed" in str(error):
            raise
        raise _Unreachable(in_short(error)) from None
    except OperationFailure as error:
        if error.timeout or is_transient(error):
            raise _Unreachable(in_short(error)) from None
        raise
    return hello


class SteppedDown(BaseModel):
    """Who was the primary, and who is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    previous: str
    """The `host:port` that stepped down."""
    primary: str | None
    """The `host:port` of the new primary; none with `wait: 0s`."""
    seconds: float
    """How long there was none, as seen from here."""


class StepDown(MongoTask):
    """Make the primary step down, and wait until there is one again.

    Example:
        - id: hand_over
          type: mongo.step_down
          uri: "{{ secret('db-01#uri') }}"
          period: 2m
    """

    idempotent: ClassVar[bool] = False

    period: Duration = Field(default=timedelta(seconds=60), ge=timedelta(seconds=1))
    """How long it may not become the primary again; longer than `catch_up`."""
    catch_up: Duration = Field(default=timedelta(seconds=10), ge=timedelta(0))
    """How long to wait for a secondary to catch up."""
    force: bool = False
    """Step down even when no secondary has caught up: the set may be without a primary, and writes may be lost."""
    wait: Duration = timedelta(seconds=60)
    """How long to wait for a primary afterwards; `0s` does not wait."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.force and self.period <= self.catch_up:
            raise ValueError("`period` is longer than `catch_up`")
        return self

    def run(self, ctx: Context) -> SteppedDown:
        with connected(self, ctx, f"step down the primary of `{self.place()}`") as client:
            from pymongo.errors import AutoReconnect

            previous = str(client.admin.command("hello").get("me") or self.place())
            start = time.monotonic()
            try:
                client.admin.command(
                    {
                        "replSetStepDown": max(1, round(self.period.total_seconds())),
                        "secondaryCatchUpPeriodSecs": round(self.catch_up.total_seconds()) if not self.force else 0,
                        "force": self.force,
                    }
                )
            except AutoReconnect as error:
                if error.timeout:
                    raise
                ctx.log.info("the primary closed the connection, as it may when it steps down")
            ctx.log.info(f"`{previous}` stepped down")
            ctx.output(SteppedDown(previous=previous, primary=None, seconds=0))
            if not self.wait:
                return SteppedDown(previous=previous, primary=None, seconds=0)
            found = wait_for_primary(client, ctx, self.wait)
            return SteppedDown(previous=previous, primary=found.address, seconds=round(time.monotonic() - start, 3))
