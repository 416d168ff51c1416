"""The launcher names the process group that the command is in, whatever starts it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rota_ssh.launcher import Launch, framed

COMMAND = "read -r s < /proc/$$/stat; set -- ${s##*) }; echo $3"
"""Prints its process group, without asking a program for it."""


def groups(path: Path | None, *, leads: bool, shell: str = "") -> tuple[str, str, int]:
    """Return the group that the launcher names, the group that the command is in, and the process that was started."""
    launch = Launch(shell=shell)
    started = subprocess.Popen(
        ["/bin/sh", "-c", launch.line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=leads,
        env={"PATH": "/usr/bin:/bin" if path is None else str(path)},
    )
    out, err = started.communicate(framed(COMMAND), timeout=30)
    found = launch.find_mark(err)
    assert found is not None, err
    assert err[found[1] :] == b""
    return found[2].removeprefix("started:"), out.decode().strip(), started.pid


@pytest.mark.parametrize("shell", ["", "bash"])
@pytest.mark.parametrize("leads", [True, False])
def test_the_command_leads_a_group_of_its_own(shell: str, leads: bool) -> None:
    named, real, process = groups(None, leads=leads, shell=shell)
    assert named == real == str(process)


@pytest.mark.parametrize("leads", [True, False])
def test_without_setsid_it_is_the_group_that_it_was_started_in(leads: bool, tmp_path: Path) -> None:
    named, real, process = groups(tmp_path, leads=leads)
    assert named == real
    assert (real == str(process)) is leads


def test_without_proc_the_group_is_asked_of_ps(tmp_path: Path) -> None:
    (tmp_path / "ps").write_text('#!/bin/sh\n[ "$*" = "-o pgid= -p $PPID" ] && echo "   4711"\n')
    (tmp_path / "ps").chmod(0o755)
    line = Launch().line.replace("/proc/", "/no-proc/")
    done = subprocess.run(
        ["/bin/sh", "-c", line], input=framed("true"), capture_output=True, env={"PATH": str(tmp_path)}, check=True
    )
    assert done.stderr.endswith(b":started:4711]")
