"""Tests of Rota's own artifacts in the lab's S3."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import Any

import pytest
from tests.lab.s3 import S3

from rota import Artifact, NotFound, RotaError
from rota.testing import RecordedContext
from rota_objectstore.artifact_store import Bucket
from rota_objectstore.put import Put

Fields = dict[str, Any]
MIB = 1 << 20


@pytest.fixture
def kept(store: Fields, bucket: str) -> Bucket:
    return Bucket(**store, uri=f"{bucket}/artifacts/")


def keys(s3: S3, bucket: str) -> list[str]:
    listed = s3.client().list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return [item["Key"] for item in listed.get("Contents", [])]


@pytest.mark.parametrize("size", [0, 5, 16 * MIB, 35 * MIB + 3])
def test_an_artifact_is_read_as_it_was_written(kept: Bucket, size: int) -> None:
    content = os.urandom(size)
    with kept.writer("db/a/b") as file:
        for start in range(0, size, 3 * MIB):
            file.write(content[start : start + 3 * MIB])
    with kept.open("db/a/b") as opened:
        assert opened.read() == content
        opened.seek(size // 2)
        assert opened.read(7) == content[size // 2 : size // 2 + 7]


@pytest.mark.parametrize("size", [5, 40 * MIB])
def test_an_artifact_that_was_given_up_is_not_there(kept: Bucket, s3: S3, bucket: str, size: int) -> None:
    with suppress(KeyError), kept.writer("db/a") as file:
        file.write(bytes(size))
        raise KeyError
    assert keys(s3, bucket) == []
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=bucket.removeprefix("s3://"))
    with pytest.raises(NotFound):
        kept.open("db/a")


def test_deleting_twice_is_no_error(kept: Bucket, s3: S3, bucket: str) -> None:
    with kept.writer("db/a") as file:
        file.write(b"x")
    kept.delete("db/a")
    kept.delete("db/a")
    assert keys(s3, bucket) == []


def test_a_store_that_refuses_says_so(reader: Fields, bucket: str) -> None:
    with (
        pytest.raises(RotaError, match=r"the artifact store: .*AccessDenied"),
        Bucket(**reader, uri=f"{bucket}/a/").writer("db/a") as file,
    ):
        file.write(b"x")


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_put_of_an_artifact_of_the_same_store_is_a_copy_by_the_server(
    ctx: RecordedContext,
    kept: Bucket,
    store: Fields,
    s3: S3,
    bucket: str,
    overwrite: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = os.urandom(9 * MIB)
    with kept.writer("db/dump") as file:
        file.write(content)
    artifact = Artifact("artifact://dump", "dump.gz", len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(ctx.artifacts, "open", lambda _: kept.open("db/dump"))
    put = Put(**store, uri=f"{bucket}/kept/", file=artifact, overwrite=overwrite, content_type="a/b").run(ctx)
    assert (put.proof, put.sha256, put.written) == ("copied", artifact.sha256, True)
    again = Put(**store, uri=f"{bucket}/kept/", file=artifact, checksum="read_back").run(ctx)
    assert not again.written
    got = s3.client().get_object(Bucket=bucket.removeprefix("s3://"), Key="kept/dump.gz")
    assert (got["Body"].read(), got["ContentType"]) == (content, "a/b")
