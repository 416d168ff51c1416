"""Tests of the trigger `ssh.file_appeared`, on its own, against a simulated host and a real OpenSSH server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh import file_appeared
from rota_ssh.file_appeared import FileAppeared

Fields = dict[str, Any]


class Clock:
    """The time as the trigger sees it, in seconds."""

    now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(file_appeared, "time", clock)
    return clock


def names(trigger: FileAppeared, ctx: RecordedContext) -> list[str]:
    return [event.data["name"] for event in trigger.poll(ctx)]


def test_a_file_counts_once_when_it_is_stable(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path, clock: Clock
) -> None:
    trigger = FileAppeared(**any_host, path=f"{tmp_path}/*.csv", stable_for="10s")
    (tmp_path / "old.csv").write_text("old")
    assert names(trigger, ctx) == []
    (tmp_path / "new.csv").write_text("half")
    (tmp_path / "new.txt").write_text("other")
    assert names(trigger, ctx) == []
    clock.now += 9
    (tmp_path / "new.csv").write_text("half and half")
    assert names(trigger, ctx) == []
    clock.now += 9
    assert names(trigger, ctx) == []
    clock.now += 1
    (event,) = trigger.poll(ctx)
    assert event.data["path"] == f"{tmp_path}/new.csv"
    assert event.data["size"] == 13
    assert event.date is not None
    assert event.data["modified"] == event.date.isoformat()
    clock.now += 60
    assert names(trigger, ctx) == []


def test_a_file_that_is_written_anew_counts_anew(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path, clock: Clock
) -> None:
    trigger = FileAppeared(**any_host, path=f"{tmp_path}/*", stable_for=0, include_existing=True)
    (tmp_path / "file").write_text("1")
    os.utime(tmp_path / "file", (1000, 1000))
    (first,) = trigger.poll(ctx)
    os.utime(tmp_path / "file", (2000, 2000))
    (second,) = trigger.poll(ctx)
    assert first.key != second.key
    (tmp_path / "file").unlink()
    assert names(trigger, ctx) == []
    assert ctx.state["files"] == {}


def test_what_was_there_at_first_does_not_count_unless_asked(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "file").write_text("1")
    trigger = FileAppeared(**any_host, path=f"{tmp_path}/*", stable_for="5s", include_existing=True)
    assert names(trigger, ctx) == []
    clock.now += 5
    assert names(trigger, ctx) == ["file"]


def test_a_folder_that_is_not_there_is_a_failure(ctx: RecordedContext, any_host: Fields) -> None:
    with pytest.raises(TaskFailed, match="has no `/nowhere`"):
        FileAppeared(**any_host, path="/nowhere/*").poll(ctx)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/in/", "`/in/` names no files; for all of the folder write `/in/*`"),
        ("/in/**/x.csv", "only the name may have `*` and `?`, and the folder is `/in/**`"),
    ],
)
def test_a_path_that_would_never_find_anything_is_refused(path: str, why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FileAppeared(host="files", path=path)
    assert why in str(refused.value)
