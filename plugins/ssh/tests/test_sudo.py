"""Commands by sudo, of which a stand-in asks for passwords as the real one does: tests cannot make accounts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.process import processes_with
from tests.lab.sshfleet import SshFleet

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh.command import Command
from rota_ssh.script import Script

Fields = dict[str, Any]

_SUDO = """#!/bin/sh
# Reads passwords from standard input a byte at a time, three times at most, and runs the command in this group.
ask= user=root
while [ $# -gt 0 ]; do case $1 in
    -H) shift;; -S) ask=1; shift;; -p) prompt=$2; shift 2;; -n) ask=; shift;; -u) user=$2; shift 2;; --) shift; break;;
esac; done
echo "We trust you have received the usual lecture." >&2
if [ -n "$SUDO_WANTS" ]; then
    [ -n "$ask" ] || { echo "sudo: a password is required" >&2; exit 1; }
    for try in 1 2 3; do
        printf "%s" "$prompt" >&2; IFS= read -r given || exit 1
        echo "$given" >> "$HOME/asked"
        [ "$given" != "$SUDO_WANTS" ] || break
        echo "Sorry, try again." >&2; [ $try != 3 ] || exit 1
    done
fi
SUDO_USER_IS=$user; export SUDO_USER_IS; unset SUDO_WANTS
"$@"
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshFleet]:
    """Hosts with a sudo, `free` asks for nothing and `strict` for a password, and `bare` without."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "sudo").write_text(_SUDO)
    (folder / "sudo").chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    variables = {
        "free": {"PATH": path},
        "strict": {"PATH": path, "SUDO_WANTS": "open it's"},
        "bare": {"PATH": "/nowhere"},
    }
    with SshFleet.start(list(variables), variables=variables) as started:
        yield started


@pytest.fixture
def free(fleet: SshFleet, reach: Callable[[SshFleet, str], Fields]) -> Fields:
    return reach(fleet, "free")


@pytest.fixture
def strict(fleet: SshFleet, reach: Callable[[SshFleet, str], Fields]) -> Fields:
    (fleet.host("strict").home / "asked").unlink(missing_ok=True)
    return reach(fleet, "strict")


def test_sudo_without_a_password(ctx: RecordedContext, free: Fields) -> None:
    done = Command(**free, sudo=True, command="echo $SUDO_USER_IS; cat", stdin="in").run(ctx)
    assert done.stdout == "root\nin"
    done = Command(**free, sudo=True, sudo_user="mongod", sudo_password="not asked", command="echo $SUDO_USER_IS").run(
        ctx
    )
    assert done.stdout == "mongod\n"
    assert "not asked" not in ctx.log.text


def test_sudo_with_a_password(ctx: RecordedContext, strict: Fields, fleet: SshFleet) -> None:
    env = {"A": "1"}
    done = Command(**strict, sudo=True, sudo_password="open it's", command="echo $A; cat", env=env, stdin="in").run(ctx)
    assert done.stdout == "1\nin"
    assert done.stderr == "We trust you have received the usual lecture.\n"
    assert (fleet.host("strict").home / "asked").read_text() == "open it's\n"
    script = Script(**strict, sudo=True, sudo_password="open it's", code="echo $SUDO_USER_IS", stdin="in")
    assert script.run(ctx).stdout == "root\n"


def test_a_wrong_password_is_told_once_and_nothing_else(ctx: RecordedContext, strict: Fields, fleet: SshFleet) -> None:
    with pytest.raises(TaskFailed, match="does not take the password of `rota`") as failure:
        Command(**strict, sudo=True, sudo_password="wrong one", command="echo never").run(ctx)
    assert failure.value.retryable is False
    assert (fleet.host("strict").home / "asked").read_text() == "wrong one\n"


def test_a_password_that_is_missing_is_a_failure_for_good(ctx: RecordedContext, strict: Fields) -> None:
    with pytest.raises(TaskFailed, match="refused: sudo: a password is required") as failure:
        Command(**strict, sudo=True, command="true").run(ctx)
    assert failure.value.retryable is False


def test_a_host_without_sudo_says_so(
    ctx: RecordedContext, fleet: SshFleet, reach: Callable[[SshFleet, str], Fields]
) -> None:
    with pytest.raises(TaskFailed, match=r"sudo on `127.0.0.1:\d+` refused: .*not found"):
        Command(**reach(fleet, "bare"), sudo=True, command="true").run(ctx)


def test_what_runs_by_sudo_is_ended_by_sudo(
    ctx: RecordedContext, strict: Fields, fleet: SshFleet, tmp_path: Path
) -> None:
    def seen(message: str, **_: Any) -> None:
        threading.Thread(target=ctx.cancel).start()

    ctx.log.info = seen  # type: ignore[method-assign]
    with pytest.raises(TaskFailed, match="was cancelled"):
        Command(**strict, sudo=True, sudo_password="open it's", command=f"echo up; sleep 306; : {tmp_path}").run(ctx)
    assert processes_with(f": {tmp_path}") == []
    assert (fleet.host("strict").home / "asked").read_text() == "open it's\n" * 2


def test_below_sudo_the_command_has_a_group_of_its_own(ctx: RecordedContext, free: Fields) -> None:
    """So that ending it does not end sudo, which could then not say how it ended."""
    done = Command(**free, sudo=True, command="ps -o pgid= -p $$; echo $$").run(ctx)
    assert isinstance(done.stdout, str)
    group, process = done.stdout.split()
    assert group == process
