"""The fields that lead to the lab's hosts: a simulated one, and a real OpenSSH server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.sshd import Sshd
from tests.lab.sshfleet import Host, SshFleet


def fields_of(fleet: SshFleet, host: Host) -> dict[str, Any]:
    """What a flow would write to reach a host of the fleet."""
    return {
        "host": host.address,
        "port": host.port,
        "user": fleet.user,
        "private_key": fleet.key.private.read_text(),
        "known_hosts": str(fleet.known_hosts),
    }


@pytest.fixture
def host(ssh_fleet: SshFleet) -> dict[str, Any]:
    """The fields that lead to `host-1` of the fleet."""
    return fields_of(ssh_fleet, ssh_fleet.host("host-1"))


@pytest.fixture
def openssh(sshd: Sshd) -> dict[str, Any]:
    """The fields that lead to the real OpenSSH server."""
    return {
        "host": "127.0.0.1",
        "port": sshd.port,
        "user": sshd.user,
        "private_key": sshd.key.private.read_text(),
        "known_hosts": str(sshd.known_hosts),
    }
