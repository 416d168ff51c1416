"""Tests of encryption on the server: with one's own key against the lab's S3, with KMS against a recorder of headers."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError
from tests.lab.s3 import S3

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_objectstore import copying, s3_copy
from rota_objectstore.copy import Copy
from rota_objectstore.get import Get
from rota_objectstore.listing import Exists
from rota_objectstore.put import Put

Fields = dict[str, Any]
MIB = 1 << 20
SMALL, LARGE = 100, 9 * MIB


@pytest.fixture
def own_key() -> Fields:
    return {"customer_key": base64.b64encode(os.urandom(32)).decode()}


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("overwrite", [False, True])
def test_only_who_has_the_key_reads(
    ctx: RecordedContext, s3: S3, store: Fields, bucket: str, own_key: Fields, size: int, overwrite: bool
) -> None:
    (ctx.workdir / "dump").write_bytes(os.urandom(size))
    task = Put(**store, **own_key, uri=f"{bucket}/own", file="dump", overwrite=overwrite, encryption="sse-c")
    put = task.run(ctx)
    assert Get(**store, **own_key, uri=put.uri).run(ctx).sha256 == put.sha256
    assert Exists(**store, **own_key, uri=put.uri).run(ctx).size == size
    head = s3.client().head_object(
        Bucket=bucket.removeprefix("s3://"),
        Key="own",
        SSECustomerAlgorithm="AES256",
        SSECustomerKey=base64.b64decode(own_key["customer_key"]),
    )
    assert head["SSECustomerAlgorithm"] == "AES256"
    another = {"customer_key": base64.b64encode(os.urandom(32)).decode()}
    for wrong in ({}, another):
        with pytest.raises(TaskFailed, match="refused") as failure:
            Get(**store, **wrong, uri=put.uri).run(ctx)
        assert failure.value.retryable is False
    assert own_key["customer_key"] not in f"{task!r} {ctx.log.text}"


def test_a_copy_takes_the_key_on_both_sides(ctx: RecordedContext, store: Fields, bucket: str, own_key: Fields) -> None:
    (ctx.workdir / "dump").write_bytes(os.urandom(LARGE))
    put = Put(**store, **own_key, uri=f"{bucket}/a", file="dump").run(ctx)
    Copy(**store, **own_key, source=put.uri, uri=f"{bucket}/b").run(ctx)
    assert Get(**store, **own_key, uri=f"{bucket}/b").run(ctx).sha256 == put.sha256
    with pytest.raises(TaskFailed, match="refused"):
        Get(**store, uri=f"{bucket}/b").run(ctx)


def test_a_copy_gives_up_the_key_when_told(ctx: RecordedContext, store: Fields, bucket: str, own_key: Fields) -> None:
    put = Put(**store, **own_key, uri=f"{bucket}/a", content="secret").run(ctx)
    source = {**store, **own_key}
    Copy(**store, source=put.uri, uri=f"{bucket}/b", source_store=source, encryption="AES256").run(ctx)
    assert Get(**store, uri=f"{bucket}/b", **{"as": "text"}).run(ctx).text == "secret"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"customer_key": "c2hvcnQ="}, "256 bits in base64"),
        ({"customer_key": "no base64 at all"}, "256 bits in base64"),
        ({"encryption": "sse-c"}, "needs `customer_key`"),
        ({"customer_key": base64.b64encode(bytes(32)).decode(), "encryption": "AES256"}, "not both"),
        ({"kms_key": "k", "encryption": "AES256"}, "aws:kms"),
    ],
)
def test_keys_that_make_no_sense_are_refused_and_not_shown(fields: Fields, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        Put(uri="s3://bucket/key", content="x", **fields)
    assert "c2hvcnQ" not in str(refused.value)


@dataclass(frozen=True)
class Request:
    """What came, with the names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class Recorder(http.server.BaseHTTPRequestHandler):
    """A fake of S3 that records headers: the lab's has no KMS, and does not copy parts with one's own key."""

    requests: list[Request]

    def do_HEAD(self) -> None:
        """There is one object, `source`, and after an upload in parts what it made."""
        self.requests.append(self._request())
        if "source" in self.path or any("uploadId" in request.path for request in self.requests):
            self._answer(b"", etag='"source"', size=LARGE)
        else:
            self.send_error(404)

    def do_PUT(self) -> None:
        """Take an object, a part, or the copy of a part."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append(self._request())
        copied = b"<CopyPartResult><ETag>&quot;part&quot;</ETag></CopyPartResult>"
        self._answer(copied if self.headers["x-amz-copy-source"] else b"", etag=f'"{hashlib.md5(body).hexdigest()}"')

    def do_POST(self) -> None:
        """Begin an upload in parts, or complete it."""
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.requests.append(self._request())
        if "uploadId" in self.path:
            self._answer(b"<CompleteMultipartUploadResult><ETag>&quot;a-2&quot;</ETag></CompleteMultipartUploadResult>")
        else:
            self._answer(b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")

    def _request(self) -> Request:
        return Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})

    def _answer(self, body: bytes, *, etag: str = "", size: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def requests() -> list[Request]:
    """What the recorder was asked."""
    return []


@pytest.fixture
def recorder(requests: list[Request]) -> Iterator[Fields]:
    """The fields that lead to the recorder."""
    handler = type("Handler", (Recorder,), {"requests": requests})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = {"access_key": "AKIAEXAMPLE", "secret_key": "never-shown"}
    yield {"endpoint": f"http://127.0.0.1:{server.server_port}", "allow_http": True, **keys}
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("encryption", ["aws:kms", "aws:kms:dsse"])
def test_the_server_is_told_which_key_and_which_class(
    ctx: RecordedContext, recorder: Fields, requests: list[Request], size: int, overwrite: bool, encryption: str
) -> None:
    (ctx.workdir / "dump").write_bytes(bytes(size))
    Put(
        **recorder,
        uri="s3://bucket/key",
        file="dump",
        overwrite=overwrite,
        encryption=encryption,
        kms_key="alias/backups",
        storage_class="GLACIER_IR",
        metadata={"cluster": "db-17"},
        checksum="off",
    ).run(ctx)
    sent = [request for request in requests if request.method != "HEAD"]
    first, last = sent[0].headers, sent[-1].headers
    assert first["x-amz-server-side-encryption"] == encryption
    assert first["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/backups"
    assert first["x-amz-storage-class"] == "GLACIER_IR"
    assert first["x-amz-meta-cluster"] == "db-17"
    assert last.get("if-none-match") == (None if overwrite else "*")
    assert [request.method for request in sent] == (["PUT"] if size == SMALL else ["POST", "PUT", "PUT", "POST"])


def test_a_copy_in_parts_takes_the_key_on_both_sides(
    ctx: RecordedContext,
    recorder: Fields,
    requests: list[Request],
    own_key: Fields,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_copy, "PART", 5 * MIB)
    monkeypatch.setattr(copying, "MOST_IN_ONE_COPY", 6 * MIB)
    Copy(**recorder, **own_key, source="s3://bucket/source", uri="s3://bucket/target").run(ctx)
    copies = [request.headers for request in requests if request.method == "PUT"]
    assert sorted(headers["x-amz-copy-source-range"] for headers in copies) == [
        "bytes=0-5242879",
        "bytes=5242880-9437183",
    ]
    for headers in copies:
        assert headers["x-amz-server-side-encryption-customer-key"] == own_key["customer_key"]
        assert headers["x-amz-copy-source-server-side-encryption-customer-key"] == own_key["customer_key"]
        assert headers["x-amz-copy-source-if-match"] == '"source"'
    begun, completed = (request.headers for request in requests if request.method == "POST")
    assert begun["x-amz-server-side-encryption-customer-key"] == own_key["customer_key"]
    assert completed["if-none-match"] == "*"
