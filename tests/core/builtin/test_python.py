"""Task type `python`, in real processes."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from pydantic import ValidationError

from rota import TaskFailed
from rota.builtin.python import Python
from rota.testing import RecordedContext

DOUBLE = """
import json, os
given = json.load(open(os.environ["ROTA_INPUT"]))
json.dump({"double": [2 * number for number in given]}, open(os.environ["ROTA_OUTPUT"], "w"))
"""


def test_data_goes_in_by_input_and_comes_out_by_output(ctx: RecordedContext) -> None:
    assert Python(code=DOUBLE, input=[1, 2]).run(ctx).model_extra == {"double": [2, 4]}


def test_it_runs_in_a_process_of_its_own_on_the_interpreter_of_rota(ctx: RecordedContext) -> None:
    result = Python(code="import os, sys; print(os.getpid(), sys.executable)").run(ctx)
    assert isinstance(result.stdout, str)
    assert result.stdout.split()[1] == sys.executable


def test_a_script_is_a_file_of_the_flow_and_imports_others(ctx: RecordedContext) -> None:
    (ctx.workdir / "scripts").mkdir()
    (ctx.workdir / "scripts" / "report.py").write_text("import sys, shared\nprint(shared.NAME, sys.argv[1:])")
    (ctx.workdir / "shared.py").write_text("NAME = 'shared'")
    assert Python(script="scripts/report.py", arguments=["a b", 3]).run(ctx).stdout == "shared ['a b', '3']\n"
    assert Python(code="import shared; print(shared.NAME)").run(ctx).stdout == "shared\n"


def test_a_script_that_is_not_there_says_where_to_name_it(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"there is no file `report.py`") as failed:
        Python(script="report.py").run(ctx)
    assert failed.value.hint == "name it in the flow's `files`"
    with pytest.raises(TaskFailed, match="leads out of the work folder"):
        Python(script="../report.py").run(ctx)


def test_an_exception_is_the_reason_with_the_line_in_the_log(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match="exit code 1: ValueError: not so"):
        Python(code="x = 1\nraise ValueError('not so')").run(ctx)
    assert 'task.py", line 2' in ctx.log.text


def test_lines_come_as_they_are_printed(ctx: RecordedContext) -> None:
    Python(code="print('a')\nimport os\nos._exit(0)").run(ctx)
    assert ctx.log.text == "a"


@pytest.mark.parametrize("fields", [{}, {"code": "x", "script": "y"}])
def test_there_is_exactly_one_source(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="either `code` or `script`"):
        Python.model_validate(fields)


def test_dependencies_without_uv_fail_with_what_to_install(
    ctx: RecordedContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TaskFailed, match="no `uv` in PATH") as failed:
        Python(code="pass", dependencies=["six"]).run(ctx)
    assert failed.value.retryable is False
    assert "pip install uv" in failed.value.hint


def test_dependencies_are_given_to_uv(ctx: RecordedContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
    result = Python(code="pass", dependencies=["six>=1", "attrs"], python="3.12").run(ctx)
    assert isinstance(result.stdout, str)
    *words, script = result.stdout.splitlines()
    assert words == ("run --no-project --quiet --python 3.12 --with six>=1 --with attrs -- python".split())
    assert script.endswith("/task.py")


def test_another_interpreter_may_be_named(ctx: RecordedContext) -> None:
    base = Path(sysconfig.get_config_var("BINDIR")) / f"python{sysconfig.get_python_version()}"
    result = Python(code="import sys; print(sys.prefix == sys.base_prefix)", python=str(base)).run(ctx)
    assert result.stdout == "True\n"
