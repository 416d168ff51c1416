"""What the tests of the plugin have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from plugins.http.tests.site import Site, serve_site


@pytest.fixture(autouse=True)
def _without_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of this test's own."""
    with serve_site() as served:
        yield served
