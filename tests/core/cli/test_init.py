"""`rota init`: a folder that is ready, and nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.cli.calls import Rota


@pytest.fixture
def empty(rota: Rota, tmp_path: Path) -> Rota:
    """`rota` in a folder without settings."""
    (tmp_path / "rota.yaml").unlink()
    (tmp_path / "hello.yaml").unlink()
    return rota


def test_it_makes_an_empty_folder_ready_and_says_what_is_next(empty: Rota) -> None:
    result = empty.ok("init")
    assert result.out.splitlines() == [
        "wrote rota.yaml",
        "wrote flows/hello.yaml",
        "wrote .gitignore",
        "next: rota run flows/hello.yaml",
    ]
    assert (empty.path / ".gitignore").read_text() == ".rota/\n"


def test_the_key_is_for_its_owner_alone(empty: Rota) -> None:
    empty.ok("init")
    assert (empty.path / ".rota/secret.key").stat().st_mode & 0o777 == 0o600


def test_the_example_checks_and_runs(empty: Rota) -> None:
    empty.ok("init")
    assert "nothing found in 1 flow" in empty.ok("check", "--strict").err
    assert "3 people were greeted" in empty.ok("run", "flows/hello.yaml").out


def test_it_overwrites_nothing(empty: Rota) -> None:
    empty.ok("init")
    key = (empty.path / ".rota/secret.key").read_text()
    empty.write("flows/hello.yaml", "mine")
    result = empty.ok("init")
    assert "kept flows/hello.yaml, which was there" in result.err
    assert (empty.path / "flows/hello.yaml").read_text() == "mine"
    assert (empty.path / ".rota/secret.key").read_text() == key


def test_it_makes_another_folder_ready(empty: Rota) -> None:
    result = empty.ok("init", "ops/nightly")
    assert (empty.path / "ops/nightly/rota.yaml").is_file()
    assert "next: cd ops/nightly && rota run flows/hello.yaml" in result.out


def test_a_place_where_nothing_can_be_written_is_wrong_use(empty: Rota) -> None:
    empty.write("blocked", "a file")
    result = empty("init", "blocked/inside")
    assert result.code == 2
    assert "blocked" in result.err
