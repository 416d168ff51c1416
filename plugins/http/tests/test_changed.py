"""Tests of the trigger `http.changed`."""

from __future__ import annotations

from typing import Any

import pytest
from plugins.http.tests.site import Site
from pydantic import SecretStr, ValidationError
from tests.lab.inventory_api import InventoryApi

from rota import TaskFailed
from rota.testing import Poll
from rota_http.changed import Changed


def test_what_changes_starts_and_what_stays_does_not(poll: Poll, inventory_api: InventoryApi) -> None:
    trigger = Changed(url=f"{inventory_api.url}/clusters", token=SecretStr(inventory_api.token))
    assert poll(trigger) == []
    assert poll(trigger) == []
    inventory_api.set_clusters([{"name": "new"}])
    (event,) = poll(trigger)
    assert event.data["json"]["items"] == [{"name": "new"}]
    assert event.data["status"] == 200
    assert event.data["etag"].startswith('"')
    assert poll(trigger) == []


def test_what_comes_back_has_changed_as_well(poll: Poll, site: Site) -> None:
    trigger, keys = Changed(url=f"{site.url}/file"), []
    for number, content in enumerate([b"a", b"b", b"a", b"b"]):
        site.content, site.etag = content, f'"{number}"'
        keys += [event.key for event in poll(trigger)]
    assert len(set(keys)) == len(keys) == 3


def test_the_content_decides_where_the_server_knows_no_version(poll: Poll, site: Site) -> None:
    site.etag, site.content, site.content_type = None, b"one", "text/plain"
    trigger = Changed(url=f"{site.url}/file", start_at_first=True)
    assert [event.data["text"] for event in poll(trigger)] == ["one"]
    assert poll(trigger) == []
    site.content = b"two"
    assert [event.data["text"] for event in poll(trigger)] == ["two"]


def test_only_the_selected_part_counts(poll: Poll, site: Site) -> None:
    site.etag, site.content_type = None, "application/json"
    trigger = Changed(url=f"{site.url}/file", select="price")
    site.content = b'{"price": 1, "at": 1}'
    assert poll(trigger) == []
    site.content = b'{"price": 1, "at": 2}'
    assert poll(trigger) == []
    site.content = b'{"price": 2, "at": 3}'
    assert [event.data["json"] for event in poll(trigger)] == [{"price": 2, "at": 3}]


def test_a_large_body_is_not_in_the_event(poll: Poll, site: Site) -> None:
    site.content = b"x" * 100_000
    (event,) = poll(Changed(url=f"{site.url}/file", start_at_first=True))
    assert event.data["size"] == 100_000
    assert not {"text", "json"} & set(event.data)


@pytest.mark.parametrize("fields", [{"select": "a["}, {"interval": "5m"}])
def test_fields_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Changed(url="https://a.example.org", **fields)


def test_a_failing_poll_forgets_nothing(poll: Poll, site: Site) -> None:
    trigger = Changed(url=f"{site.url}/file")
    poll(trigger)
    site.statuses, site.content, site.etag = [(500, {})], b"new", '"two"'
    with pytest.raises(TaskFailed, match="500"):
        poll(trigger)
    assert len(poll(trigger)) == 1
