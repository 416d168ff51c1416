"""Files of a flow come from its folder, and from nowhere else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rota.errors import FlowError
from rota.flows import files
from rota.flows.loader import LoadedFlow, load_flow


def load(folder: Path, *patterns: str) -> LoadedFlow:
    names = "".join(f"  - '{pattern}'\n" for pattern in patterns)
    (folder / "flow.yaml").write_text(f"id: f\ntasks: []\nfiles:\n{names}")
    return load_flow(folder / "flow.yaml")


def refusal(folder: Path, *patterns: str) -> str:
    with pytest.raises(FlowError) as caught:
        load(folder, *patterns)
    (finding,) = caught.value.findings
    assert str(finding.place) == f"{folder / 'flow.yaml'}:{3 + len(patterns)}:5"
    assert finding.hint
    return finding.message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "flow"
    (folder / "sql" / "deep").mkdir(parents=True)
    for name in ("a.py", "b.py", ".env", "sql/x.sql", "sql/deep/y.sql"):
        (folder / name).write_text(name)
    (tmp_path / "outside").write_text("secret")
    return folder


def test_globs_find_files_by_name_and_content(folder: Path) -> None:
    loaded = load(folder, "*.py", "a.py", "sql/**")
    assert [one.name for one in loaded.files] == ["a.py", "b.py", "sql/deep/y.sql", "sql/x.sql"]
    first = loaded.files[0]
    assert (first.content, first.size) == (b"a.py", 4)
    assert first.sha256 == hashlib.sha256(b"a.py").hexdigest()


def test_hidden_files_are_only_taken_when_named(folder: Path) -> None:
    assert ".env" not in {one.name for one in load(folder, "**").files}
    assert [one.name for one in load(folder, ".env").files] == [".env"]


@pytest.mark.parametrize("pattern", ["../outside", "sql/../../outside", "/etc/passwd", "..", "sql\\x.sql"])
def test_nothing_outside_the_folder_is_read(folder: Path, pattern: str) -> None:
    assert "leads out of the flow's folder" in refusal(folder, "a.py", pattern)


def test_links_are_refused_wherever_they_are(folder: Path) -> None:
    (folder / "link.py").symlink_to(folder / "a.py")
    (folder / "up").symlink_to(folder.parent)
    assert refusal(folder, "link.py") == "`link.py` is a link"
    assert refusal(folder, "up/outside") == "`up` is a link"
    assert refusal(folder, "*.py") == "`link.py` is a link"
    assert refusal(folder, "*/outside") == "`up` is a link"


def test_what_is_not_there_or_no_file_is_told(folder: Path) -> None:
    assert refusal(folder, "nope.py") == f"there is no file `nope.py` in `{folder}`"
    assert refusal(folder, "*.nope").startswith("there is no file `*.nope`")
    assert refusal(folder, "sql") == "`sql` is a folder"
    os.mkfifo(folder / "pipe")
    assert refusal(folder, "pipe") == "`pipe` is not a regular file"


def test_sizes_and_numbers_are_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 3)
    assert "`a.py` is larger than" in refusal(folder, "a.py")
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
    monkeypatch.setattr(files, "MAX_TOTAL_BYTES", 10)
    assert "names more than" in refusal(folder, "**")
    monkeypatch.setattr(files, "MAX_TOTAL_BYTES", 1000)
    monkeypatch.setattr(files, "MAX_FILES", 1)
    assert "names more than" in refusal(folder, "*.py")
