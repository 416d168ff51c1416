"""The lab's S3, through boto3."""

from __future__ import annotations

import io

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.lab.process import processes_with
from tests.lab.s3 import S3


def test_an_object_is_kept_as_it_was(s3: S3, s3_bucket: str) -> None:
    content = bytes(range(256)) * 50_000
    parts = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024)
    s3.client().upload_fileobj(io.BytesIO(content), s3_bucket, "a/b", Config=parts)
    assert s3.client().get_object(Bucket=s3_bucket, Key="a/b")["Body"].read() == content
    assert [item["Key"] for item in s3.client().list_objects_v2(Bucket=s3_bucket)["Contents"]] == ["a/b"]


def test_a_conditional_put_overwrites_nothing(s3: S3, s3_bucket: str) -> None:
    s3.client().put_object(Bucket=s3_bucket, Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.client().put_object(Bucket=s3_bucket, Key="once", Body=b"2", IfNoneMatch="*")


def test_a_reader_may_not_write(s3: S3, s3_bucket: str) -> None:
    s3.client().put_object(Bucket=s3_bucket, Key="a", Body=b"1")
    assert s3.client("reader").get_object(Bucket=s3_bucket, Key="a")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.client("reader").put_object(Bucket=s3_bucket, Key="a", Body=b"2")


def test_a_bucket_that_is_not_there_is_not_made(s3: S3) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.client().put_object(Bucket="not-there", Key="a", Body=b"1")


def test_a_versioned_bucket_keeps_what_is_overwritten(s3: S3) -> None:
    bucket = s3.create_bucket("test-versions", versioned=True)
    for body in (b"1", b"2"):
        s3.client().put_object(Bucket=bucket, Key="a", Body=body)
    assert len(s3.client().list_object_versions(Bucket=bucket)["Versions"]) == 2


def test_a_restarted_server_has_its_objects_and_a_stopped_one_leaves_nothing() -> None:
    with S3.start() as s3:
        bucket = s3.create_bucket("kept")
        s3.client().put_object(Bucket=bucket, Key="a", Body=b"1")
        s3.restart()
        assert s3.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
        keys = s3.identities["admin"].secret_key
        assert keys not in " ".join(processes_with(str(s3.folder)))
    assert processes_with(str(s3.folder)) == []
    assert not s3.folder.exists()
