"""Every type against the same failures: logins, nobody there, silence, certificates, cancel."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lab.failing import SECRET, failing, failing_by_cancel
from tests.lab.inventory_api import InventoryApi
from tests.lab.silence import Silence

from rota.testing import RecordedContext
from rota_http.changed import Changed
from rota_http.download import Download
from rota_http.request import Request

Fields = dict[str, Any]
Act = Callable[[RecordedContext, Fields], object]

ALL: dict[str, Act] = {
    "request": lambda ctx, fields: Request(**fields).run(ctx),
    "pages": lambda ctx, fields: Request(**fields, pages={"link_header": True, "items": "items"}).run(ctx),
    "request as artifact": lambda ctx, fields: Request(**fields, answer="artifact").run(ctx),
    "download": lambda ctx, fields: Download(**fields).run(ctx),
    "changed": lambda ctx, fields: list(Changed(**fields).poll(ctx)),
}
every_type = pytest.mark.parametrize("act", ALL.values(), ids=ALL)


@pytest.mark.parametrize("login", [{"token": SECRET}, {"user": "somebody", "password": SECRET}])
@every_type
def test_a_wrong_login(ctx: RecordedContext, inventory_api: InventoryApi, act: Act, login: Fields) -> None:
    error = failing(ctx, act, {"url": f"{inventory_api.url}/clusters", **login})
    assert "401" in error.message, error.message
    assert error.retryable is False


@every_type
def test_what_is_not_there(ctx: RecordedContext, inventory_api: InventoryApi, act: Act) -> None:
    error = failing(ctx, act, {"url": f"{inventory_api.url}/nothing", "token": inventory_api.token})
    assert "404" in error.message, error.message
    assert error.retryable is False


@every_type
def test_nobody_there(ctx: RecordedContext, act: Act) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failing(ctx, act, {"url": f"http://127.0.0.1:{unused.getsockname()[1]}/", "token": SECRET})
    assert "cannot be connected to: connection refused" in error.message
    assert error.retryable is None


@every_type
def test_silence(ctx: RecordedContext, silence: Silence, act: Act) -> None:
    fields = {"url": f"http://127.0.0.1:{silence.port}/", "token": SECRET, "read_timeout": "200ms"}
    error = failing(ctx, act, fields)
    assert "said nothing for `read_timeout`" in error.message
    assert error.retryable is None


@every_type
def test_cancel_in_the_silence(ctx: RecordedContext, silence: Silence, act: Act) -> None:
    error = failing_by_cancel(
        ctx, act, {"url": f"http://127.0.0.1:{silence.port}/", "token": SECRET, "read_timeout": "1h"}
    )
    assert "was stopped" in error.message


@every_type
def test_a_certificate_that_nobody_should_trust(
    ctx: RecordedContext, badly_certified: tuple[str, Path], act: Act
) -> None:
    url, ca = badly_certified
    error = failing(ctx, act, {"url": f"{url}/health", "token": SECRET, "ca_file": ca})
    assert "certificate" in error.message
    assert error.retryable is False
