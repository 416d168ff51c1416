"""`rota plugins new`: what it writes builds, installs, and passes its own tests as written."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rota.errors import UsageError
from rota.scaffold import new_plugin


def test_a_new_plugin_builds_installs_and_passes_its_own_tests(tmp_path: Path) -> None:
    project, site = tmp_path / "project", tmp_path / "site"
    files = new_plugin("tcp-team", project)
    assert project / "src" / "rota_tcp_team" / "py.typed" in files
    build = "import sys; from flit_core.buildapi import build_wheel; print(build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=project, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / built.stdout.strip()) as wheel:
        wheel.extractall(site)
    env = {**os.environ, "PYTHONPATH": str(site)}
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(pytest_run, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_a_new_plugin_is_clean(tmp_path: Path) -> None:
    new_plugin("tcp", tmp_path)
    for command in (["check", "--isolated", "--select", "B,D2,E,F,I,RUF,UP,W"], ["format", "--isolated", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--line-length", "120", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_plugin_is_strictly_typed(tmp_path: Path) -> None:
    new_plugin("tcp", tmp_path / "p")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}/cache"]
    done = subprocess.run(
        [*mypy, "src", "tests"],
        cwd=tmp_path / "p",
        env={**os.environ, "MYPYPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["", "a", "Tcp", "tcp.x", "9x", "tcp/../x", "x y", "tcp-", "core", "kv", "ssh"])
def test_a_name_that_will_not_do_is_refused_with_nothing_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        new_plugin(name, tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UsageError, match="is there already"):
        new_plugin("tcp", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_folder_is_named_like_the_dist_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path("rota-tcp/pyproject.toml") in new_plugin("tcp")
