"""Jump hosts: one, several, shared, broken."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.lab.sshd import Sshd
from tests.lab.sshfault import Fault
from tests.lab.sshfleet import SshFleet

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh.command import Command

Fields = dict[str, Any]
Reach = Callable[[SshFleet, str], Fields]


def test_a_host_is_reached_through_others(ctx: RecordedContext, ssh_fleet: SshFleet, reach: Reach) -> None:
    first, second = ssh_fleet.host("host-2"), ssh_fleet.host("host-3")
    fields = reach(ssh_fleet, "host-1")
    for jump in (
        f"{ssh_fleet.user}@127.0.0.1:{first.port}",
        [f"127.0.0.1:{first.port}", {"host": "127.0.0.1", "port": second.port, "password": ssh_fleet.password}],
    ):
        assert Command(**fields, jump=jump, command="echo $HOSTNAME").run(ctx).stdout == "host-1\n"


def test_one_connection_to_a_jump_host_serves_many(
    ctx: RecordedContext, ssh_fleet: SshFleet, openssh: Fields, sshd: Sshd, reach: Reach
) -> None:
    jump = openssh | {"known_hosts": str(sshd.known_hosts)}
    before = logins(sshd)
    for host in ssh_fleet.hosts:
        fields = reach(ssh_fleet, host.name)
        assert Command(**fields, jump=jump, command="echo $HOSTNAME").run(ctx).stdout == f"{host.name}\n"
    assert logins(sshd) - before == 1


def logins(server: Sshd) -> int:
    return (server.folder / "sshd.log").read_text().count("Accepted publickey")


def test_a_jump_host_must_be_known_too(
    ctx: RecordedContext, ssh_fleet: SshFleet, openssh: Fields, reach: Reach
) -> None:
    jump = {name: value for name, value in openssh.items() if name != "known_hosts"}
    with pytest.raises(TaskFailed, match=r"the host key of `127.0.0.1:\d+` is not known") as failure:
        Command(**reach(ssh_fleet, "host-1"), jump=jump, command="true").run(ctx)
    assert failure.value.retryable is False


def test_what_the_jump_host_cannot_reach_is_named(ctx: RecordedContext, ssh_fleet: SshFleet, reach: Reach) -> None:
    jump = f"127.0.0.1:{ssh_fleet.host('host-2').port}"
    ssh_fleet.set_fault("host-1", Fault.DOWN)
    fields = reach(ssh_fleet, "host-1")
    with pytest.raises(TaskFailed, match=rf"jump host `{jump}` cannot reach `127.0.0.1:{fields['port']}`"):
        Command(**fields, jump=jump, command="true").run(ctx)


def test_a_jump_host_that_died_is_connected_to_anew(ctx: RecordedContext, ssh_fleet: SshFleet, reach: Reach) -> None:
    with SshFleet.start(["gate"]) as gate:
        jump = reach(gate, "gate")
        fields = reach(ssh_fleet, "host-1")
        assert Command(**fields, jump=jump, command="echo 1").run(ctx).stdout == "1\n"
        gate.restart()
        with suppress(TaskFailed):  # the end of the old one may be heard of only now
            Command(**fields, jump=jump, command="true").run(ctx)
        assert Command(**fields, jump=jump, command="echo 2").run(ctx).stdout == "2\n"


def test_a_silent_host_behind_a_jump_host_does_not_cost_the_jump_host(
    ctx: RecordedContext, ssh_fleet: SshFleet, openssh: Fields, sshd: Sshd, reach: Reach
) -> None:
    ssh_fleet.set_fault("host-1", Fault.SILENT)
    before = logins(sshd)
    assert Command(**reach(ssh_fleet, "host-2"), jump=openssh, command="echo 2").run(ctx).stdout == "2\n"
    with pytest.raises(TaskFailed, match=r"did not answer within 0\.3 s"):
        Command(**reach(ssh_fleet, "host-1"), jump=openssh, connect_timeout="300ms", command="true").run(ctx)
    assert Command(**reach(ssh_fleet, "host-3"), jump=openssh, command="echo 3").run(ctx).stdout == "3\n"
    assert logins(sshd) - before == 2  # the shorter time makes it another connection, the third uses the first
