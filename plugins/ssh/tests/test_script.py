"""Tests of `ssh.script` against a simulated host and a real OpenSSH server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh.script import Script

Fields = dict[str, Any]


def test_a_script_of_the_flow_runs_and_goes(ctx: RecordedContext, any_host: Fields) -> None:
    (ctx.workdir / "greet.sh").write_text('echo "hello $1 and $2"; ls -l "$0" | cut -c1-10; cat; echo $0; exit 3\n')
    script = Script(**any_host, script="greet.sh", arguments=["a b", 7], stdin="input\n", exit_codes=[3])
    *lines, path = str(script.run(ctx).stdout).splitlines()
    assert lines == ["hello a b and 7", "-rw-------", "input"]
    assert not Path(path).exists()


def test_the_first_line_says_what_runs_it(ctx: RecordedContext, any_host: Fields) -> None:
    code = "#!/usr/bin/env python3\nimport os, sys\nprint(os.environ['A'], sys.argv[1:], sys.stdin.read())\n"
    assert Script(**any_host, code=code, env={"A": "é"}, arguments=["x"], stdin="in").run(ctx).stdout == "é ['x'] in\n"
    done = Script(**any_host, code="print(__name__)", interpreter="python3 -u").run(ctx)
    assert done.stdout == "__main__\n"


def test_a_script_may_hold_any_bytes_and_be_large(ctx: RecordedContext, openssh: Fields) -> None:
    payload = os.urandom(50_000)
    (ctx.workdir / "archive").write_bytes(b'#!/bin/sh\ntail -c 50000 "$0"; exit\n' + payload)
    done = Script(**openssh, script="archive", stdout="artifact").run(ctx)
    assert ctx.artifacts.read(done.stdout) == payload


def test_an_empty_script_is_a_success(ctx: RecordedContext, any_host: Fields) -> None:
    assert Script(**any_host, code="").run(ctx).exit_code == 0


def test_its_exit_code_counts(ctx: RecordedContext, any_host: Fields) -> None:
    with pytest.raises(TaskFailed, match="exit code 9: bad") as failure:
        Script(**any_host, code="ls $0; echo bad >&2; exit 9").run(ctx)
    assert not Path(failure.value.output.stdout.strip()).exists()


def test_the_folder_is_for_the_script_and_not_for_its_file(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path
) -> None:
    assert Script(**any_host, code="pwd", cwd=str(tmp_path)).run(ctx).stdout == f"{tmp_path}\n"


def test_a_script_comes_from_one_place_in_the_work_folder(ctx: RecordedContext, host: Fields) -> None:
    with pytest.raises(ValidationError, match="either `script` or `code`"):
        Script(**host)
    with pytest.raises(TaskFailed, match=r"there is no file `none\.sh`") as failure:
        Script(**host, script="none.sh").run(ctx)
    assert failure.value.hint == "name it in the flow's `files`"
    with pytest.raises(TaskFailed, match="leads out"):
        Script(**host, script="/etc/passwd").run(ctx)
