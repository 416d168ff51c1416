"""The fields that lead to the lab's hosts: simulated ones, and a real OpenSSH server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.sshd import Sshd
from tests.lab.sshfleet import SshFleet

Fields = dict[str, Any]


def fields_of(fleet: SshFleet, name: str) -> Fields:
    """What a flow would write to reach a host of a fleet."""
    host = fleet.host(name)
    return {
        "host": host.address,
        "port": host.port,
        "user": fleet.user,
        "private_key": fleet.key.private.read_text(),
        "known_hosts": str(fleet.known_hosts),
    }


@pytest.fixture
def reach() -> Callable[[SshFleet, str], Fields]:
    """The function that gives the fields for a host of a fleet."""
    return fields_of


@pytest.fixture
def host(ssh_fleet: SshFleet) -> Fields:
    """The fields that lead to `host-1` of the fleet."""
    return fields_of(ssh_fleet, "host-1")


def sshd_fields(server: Sshd) -> Fields:
    """What a flow would write to reach a real OpenSSH server."""
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "user": server.user,
        "private_key": server.key.private.read_text(),
        "known_hosts": str(server.known_hosts),
    }


@pytest.fixture
def openssh(sshd: Sshd) -> Fields:
    """The fields that lead to the real OpenSSH server."""
    return sshd_fields(sshd)


@pytest.fixture(params=["openssh", "host"])
def any_host(request: pytest.FixtureRequest) -> Fields:
    """The fields that lead to the one and to the other."""
    fields: Fields = request.getfixturevalue(request.param)
    return fields
