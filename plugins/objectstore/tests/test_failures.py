"""Tests of what goes wrong between Rota and a store, and how the failure says so."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab.certificates import Certificate, CertificateAuthority
from tests.lab.s3 import S3
from tests.lab.silence import Silence

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_objectstore.get import Get
from rota_objectstore.listing import List
from rota_objectstore.put import Put

Fields = dict[str, Any]
KEYS = {"access_key": "AKIAEXAMPLE", "secret_key": "never-shown-anywhere"}


def failing(ctx: RecordedContext, **fields: Any) -> TaskFailed:
    with pytest.raises(TaskFailed) as failure:
        Put(**{"uri": "s3://bucket/key", "content": "x", **KEYS, **fields}).run(ctx)
    assert KEYS["secret_key"] not in f"{failure.value} {ctx.log.text}"
    return failure.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret_key": "never-shown-anywhere"}, "SignatureDoesNotMatch"),
        ({"access_key": "nobody"}, "InvalidAccessKeyId"),
    ],
)
def test_wrong_keys_are_no_reason_to_try_again(
    ctx: RecordedContext, store: Fields, bucket: str, change: Fields, words: str
) -> None:
    error = failing(ctx, **{**store, **change, "uri": f"{bucket}/a"})
    assert words in str(error)
    assert "access_key" in error.hint
    assert error.retryable is False
    with pytest.raises(TaskFailed, match=words):
        List(**{**store, **change}, uri=f"{bucket}/").run(ctx)


def test_a_reader_may_not_write(ctx: RecordedContext, reader: Fields, bucket: str) -> None:
    (ctx.workdir / "large").write_bytes(bytes(9 << 20))
    for what in (
        {"content": "x"},
        {"content": None, "file": "large"},
        {"content": "x", "object_lock": {"retain": "1d"}},
    ):
        error = failing(ctx, **{**reader, "uri": f"{bucket}/a", **what})
        assert "AccessDenied" in error.message
        assert error.retryable is False


def test_a_bucket_that_is_not_there_is_named(ctx: RecordedContext, store: Fields) -> None:
    error = failing(ctx, **{**store, "uri": "s3://not-there/a"})
    assert "NoSuchBucket" in error.message
    assert "`not-there`" in error.hint
    assert error.retryable is False


def test_a_missing_object_is_named(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    with pytest.raises(TaskFailed, match=f"get `{bucket}/none` was refused") as failure:
        Get(**store, uri=f"{bucket}/none").run(ctx)
    assert failure.value.retryable is False
    with pytest.raises(TaskFailed, match="there is no such file"):
        Get(uri="file:///no/such/file").run(ctx)


def test_a_refused_connection_and_an_unknown_name_may_be_tried_again(ctx: RecordedContext) -> None:
    refused = failing(ctx, endpoint="http://127.0.0.1:1", allow_http=True)
    assert "`127.0.0.1:1` failed: the connection is refused" in refused.message
    unknown = failing(ctx, endpoint="http://no.such.host.invalid", allow_http=True)
    assert "its name is not known" in unknown.message
    assert (refused.retryable, unknown.retryable) == (None, None)


def test_silence_is_a_failure_after_the_time_given(ctx: RecordedContext, silence: Silence) -> None:
    error = failing(ctx, endpoint=f"http://127.0.0.1:{silence.port}", allow_http=True, read_timeout="200ms")
    assert "did not answer in time" in error.message
    assert error.retryable is None


def test_a_cancel_does_not_wait_for_a_silent_server(ctx: RecordedContext, silence: Silence) -> None:
    silent = {"endpoint": f"http://127.0.0.1:{silence.port}", "allow_http": True, "read_timeout": "1h"}
    task = Get(uri="s3://bucket/key", **silent, **KEYS)
    timer = threading.Timer(0.2, ctx.cancel)
    timer.start()
    with pytest.raises(TaskFailed, match="stopped"):
        task.run(ctx)


def test_a_server_that_is_killed_in_the_middle_is_a_failure_that_may_be_tried_again(ctx: RecordedContext) -> None:
    with S3.start() as own:
        who = own.identities["admin"]
        fields = {"endpoint": own.url, "allow_http": True, "access_key": who.access_key, "secret_key": who.secret_key}
        bucket = own.create_bucket("killed")
        (ctx.workdir / "large").write_bytes(bytes(24 << 20))
        ctx.progress = lambda *_: own.kill() if own.running else None  # type: ignore[method-assign]
        with pytest.raises(TaskFailed, match="failed:") as failure:
            Put(**fields, uri=f"s3://{bucket}/a", file="large", overwrite=True).run(ctx)
        assert failure.value.retryable is None
        own.restart()
        ctx.progress = lambda *_: None  # type: ignore[method-assign]
        assert Put(**fields, uri=f"s3://{bucket}/a", file="large").run(ctx).written


@pytest.fixture
def authority(certificate_authority: CertificateAuthority) -> CertificateAuthority:
    return certificate_authority


def serve(certificate: Certificate) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("ETag", '"9dd4e461268c8034f5c8564e155c67a6"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("kind", "words"), [("self_signed", "not trusted"), ("expired", "has expired"), ("good", "")])
def test_a_certificate_is_verified(
    ctx: RecordedContext, authority: CertificateAuthority, kind: str, words: str
) -> None:
    certificate = (
        authority.self_signed("s") if kind == "self_signed" else authority.issue("s", expired=kind == "expired")
    )
    for port in serve(certificate):
        fields = {"endpoint": f"https://127.0.0.1:{port}", "ca_file": authority.cert, "overwrite": True}
        if words:
            error = failing(ctx, **fields)
            assert words in error.message
            assert error.retryable is False
            fields = {"endpoint": f"https://127.0.0.1:{port}", "server_certificate": "accept_any_insecure"}
        put = Put(**{"uri": "s3://bucket/key", "content": "x", **KEYS, **fields}).run(ctx)
        assert put.proof == "etag"


def test_a_folder_that_rota_may_not_write_to_is_a_failure(ctx: RecordedContext, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TaskFailed, match="put `file://"):
        Put(uri=f"file://{tmp_path}/file/below", content="x").run(ctx)
