"""Secret backends `env` and `file`."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rota import SecretError
from rota.builtin.secrets import Env, File
from rota.testing import RecordedContext


def fields(backend: Env | File, path: str, ctx: RecordedContext) -> dict[str, str] | None:
    secret = backend.get(path, ctx)
    return None if secret is None else {name: value.get_secret_value() for name, value in secret.fields.items()}


def test_a_variable_is_a_secret(ctx: RecordedContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_SSH_BACKUP", "hunter2")
    assert fields(Env(), "ssh/backup", ctx) == {"value": "hunter2"}
    assert fields(Env(), "ssh/other", ctx) is None
    assert fields(Env(prefix="BANK_"), "ssh/backup", ctx) is None


def test_fields_come_from_json_and_from_variables(ctx: RecordedContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_DB", '{"user": "u", "port": 5432}')
    monkeypatch.setenv("SECRET_DB__PASSWORD", "p")
    found = fields(Env(), "db", ctx)
    assert found == {"value": '{"user": "u", "port": 5432}', "user": "u", "password": "p"}


def test_a_prefix_that_is_no_name_is_refused() -> None:
    with pytest.raises(ValidationError):
        Env(prefix="")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "secrets"
    place.mkdir()
    return place


def test_a_file_is_a_secret_without_its_last_line_break(folder: Path, ctx: RecordedContext) -> None:
    (folder / "one").write_bytes(b"hunter2\n")
    (folder / "two").write_bytes(b"a\r\nb\r\n")
    (folder / "three").write_bytes(b'{"user": "u"}\n\n')
    backend = File(folder=folder)
    assert fields(backend, "one", ctx) == {"value": "hunter2"}
    assert fields(backend, "two", ctx) == {"value": "a\r\nb"}
    assert fields(backend, "three", ctx) == {"value": '{"user": "u"}\n', "user": "u"}
    assert fields(backend, "four", ctx) is None
    assert fields(backend, "one/deeper", ctx) is None


def test_a_folder_as_kubernetes_mounts_it_is_a_secret_with_fields(folder: Path, ctx: RecordedContext) -> None:
    real = folder / "db" / "..2026_01_02"
    real.mkdir(parents=True)
    (real / "user").write_text("u")
    (real / "password").write_text("p\n")
    (folder / "db" / "..data").symlink_to("..2026_01_02")
    for name in ("user", "password"):
        (folder / "db" / name).symlink_to(f"..data/{name}")
    backend = File(folder=folder)
    assert fields(backend, "db", ctx) == {"user": "u", "password": "p"}
    assert fields(backend, "db/user", ctx) == {"value": "u"}


def test_an_empty_folder_is_no_secret(folder: Path, ctx: RecordedContext) -> None:
    (folder / "empty").mkdir()
    assert fields(File(folder=folder), "empty", ctx) is None


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../outside", "", "a\0b"])
def test_a_path_cannot_lead_out(path: str, folder: Path, ctx: RecordedContext) -> None:
    (folder.parent / "outside").write_text("x")
    with pytest.raises(SecretError, match="is not a path of a secret"):
        File(folder=folder).get(path, ctx)


@pytest.mark.parametrize("path", ["file", "folder", "folder/outside", "mixed"])
def test_a_link_cannot_lead_out(path: str, folder: Path, ctx: RecordedContext) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "outside").write_text("x")
    (folder / "file").symlink_to(outside / "outside")
    (folder / "folder").symlink_to(outside)
    (folder / "mixed").mkdir()
    (folder / "mixed" / "field").symlink_to(outside / "outside")
    with pytest.raises(SecretError, match="is a link that leads out of"):
        File(folder=folder).get(path, ctx)


def test_what_is_no_text_or_too_large_is_refused(folder: Path, ctx: RecordedContext) -> None:
    (folder / "binary").write_bytes(b"\xff")
    with (folder / "large").open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(SecretError, match="is not UTF-8"):
        File(folder=folder).get("binary", ctx)
    with pytest.raises(SecretError, match="larger than 1 MiB"):
        File(folder=folder).get("large", ctx)


def test_a_folder_that_is_not_mounted_yet_may_be_asked_again(tmp_path: Path, ctx: RecordedContext) -> None:
    with pytest.raises(SecretError) as refused:
        File(folder=tmp_path / "later").get("db", ctx)
    assert refused.value.retryable is True
