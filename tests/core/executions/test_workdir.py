"""Paths in a task's work folder: they never lead out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota import TaskFailed
from rota.testing import RecordedContext


@pytest.mark.parametrize("name", ["a", "./a", "folder/a", ".", "not/there", "folder/back/a", "..a/b"])
def test_a_path_in_the_work_folder_is_given(name: str, ctx: RecordedContext) -> None:
    (ctx.workdir / "folder").mkdir()
    (ctx.workdir / "folder" / "back").symlink_to("..")
    assert ctx.in_workdir(name) == ctx.workdir / name


@pytest.mark.parametrize("name", ["../a", "folder/../../a", "/etc/passwd", "//etc/passwd"])
def test_a_name_that_leads_out_is_refused(name: str, ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match="leads out of the work folder") as failed:
        ctx.in_workdir(name)
    assert failed.value.hint == "write a relative path"
    assert failed.value.retryable is False


@pytest.mark.parametrize("name", ["passwd", "etc/passwd", "etc/not/there", "etc", "chain", "up/workdir2"])
def test_a_link_that_leads_out_is_refused(name: str, ctx: RecordedContext) -> None:
    for link, target in {"passwd": "/etc/passwd", "etc": "/etc", "chain": "etc/passwd", "up": ".."}.items():
        (ctx.workdir / link).symlink_to(target)
    with pytest.raises(TaskFailed, match="is a link that leads out of the work folder"):
        ctx.in_workdir(name)


def test_the_work_folder_itself_may_be_reached_by_a_link(ctx: RecordedContext, tmp_path: Path) -> None:
    (ctx.workdir / "inner").symlink_to("real")
    (tmp_path / "way").symlink_to(ctx.workdir)
    ctx.workdir = tmp_path / "way"
    assert ctx.in_workdir("inner/a") == tmp_path / "way" / "inner" / "a"
