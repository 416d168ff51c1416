"""The secrets of an execution: asked once per path, in order, masked from then on, their leases on record."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import Field, SecretStr

from rota import Context, Lease, Secret, SecretBackend, SecretError
from rota.executions.masking import Masker
from rota.executions.secrets import ExecutionSecrets
from rota.testing import RecordedContext


class Backend(SecretBackend):
    """A backend of a test."""

    secrets: dict[str, dict[str, str]] = Field(default_factory=dict)
    calls: list[str] = Field(default_factory=list)
    error: Any = None
    lease: Any = None

    def get(self, path: str, ctx: Context) -> Secret | None:
        self.calls.append(path)
        if self.error is not None:
            raise self.error
        found = self.secrets.get(path)
        return None if found is None else Secret({name: SecretStr(text) for name, text in found.items()}, self.lease)


def secrets(**backends: Backend) -> tuple[ExecutionSecrets, Masker, list[Any]]:
    masker, leases = Masker(), []
    known: Mapping[str, SecretBackend] = backends
    return ExecutionSecrets("bank", known, masker, lambda *lease: leases.append(lease)), masker, leases


def test_backends_are_asked_in_order_and_once_per_path(ctx: RecordedContext) -> None:
    first, second = Backend(calls=[]), Backend(secrets={"db": {"user": "u", "password": "pw-value"}}, calls=[])
    found, masker, _ = secrets(first=first, second=second)
    assert found.get("db#user", ctx).get_secret_value() == "u"
    assert found.get("db#password", ctx).get_secret_value() == "pw-value"
    assert (first.calls, second.calls) == (["db"], ["db"])
    assert masker("pw-value") == "***"
    found.get("db#user", ctx, fresh=True)
    assert second.calls == ["db", "db"]


def test_a_path_alone_is_its_value_or_its_only_field(ctx: RecordedContext) -> None:
    found, _, _ = secrets(
        one=Backend(secrets={"v": {"value": "a", "x": "b"}, "o": {"only": "c"}, "m": {"a": "1", "b": "2"}}, calls=[])
    )
    assert found.get("v", ctx).get_secret_value() == "a"
    assert found.get("o", ctx).get_secret_value() == "c"
    with pytest.raises(SecretError, match="no field `value`") as caught:
        found.get("m", ctx)
    assert "`a`, `b`" in caught.value.hint


def test_what_is_nowhere_names_who_was_asked(ctx: RecordedContext) -> None:
    found, _, _ = secrets(env=Backend(calls=[]), vault=Backend(calls=[]))
    with pytest.raises(SecretError, match="no secret `x` for namespace `bank`") as caught:
        found.get("x", ctx)
    assert caught.value.hint == "asked: `env`, `vault`"
    assert not caught.value.retryable


def test_a_backend_that_breaks_is_named_and_may_be_asked_again(ctx: RecordedContext) -> None:
    found, _, _ = secrets(vault=Backend(error=OSError("down"), calls=[]))
    with pytest.raises(SecretError, match="`vault` failed: OSError: down") as caught:
        found.get("x", ctx)
    assert caught.value.retryable


def test_a_lease_is_on_record_before_the_secret_is_handed_out(ctx: RecordedContext) -> None:
    lease = Lease("l1", timedelta(minutes=1))
    found, _, leases = secrets(vault=Backend(secrets={"db": {"value": "abcd"}}, lease=lease, calls=[]))
    found.get("db", ctx)
    assert leases == [("vault", "db", lease)]


def test_of_many_who_ask_at_once_one_asks_the_backend(ctx: RecordedContext) -> None:
    backend = Backend(secrets={"db": {"value": "abcd"}}, calls=[])
    found, _, _ = secrets(one=backend)
    threads = [threading.Thread(target=found.get, args=("db", ctx)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.calls == ["db"]
