"""Every type against the same failures: wrong keys, no rights, no bucket, nobody there, silence, certificates, cancel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lab.failing import SECRET, failing, failing_by_cancel
from tests.lab.silence import Silence

from rota.testing import RecordedContext
from rota_objectstore.copy import Copy, Move
from rota_objectstore.delete import Delete
from rota_objectstore.get import Get
from rota_objectstore.listing import Exists, List
from rota_objectstore.object_created import ObjectCreated
from rota_objectstore.prune import Prune
from rota_objectstore.put import Put
from rota_objectstore.sync import Sync

Fields = dict[str, Any]
Act = Callable[[RecordedContext, Fields, str], object]
KEYS = {"access_key": "AKIAEXAMPLE", "secret_key": SECRET}
NOWHERE = "s3://bucket"

READING: dict[str, Act] = {
    "get": lambda ctx, store, bucket: Get(**store, uri=f"{bucket}/in/a").run(ctx),
    "list": lambda ctx, store, bucket: List(**store, uri=f"{bucket}/in/").run(ctx),
    "list versions": lambda ctx, store, bucket: List(**store, uri=f"{bucket}/in/", versions=True).run(ctx),
    "exists": lambda ctx, store, bucket: Exists(**store, uri=f"{bucket}/in/a").run(ctx),
    "sync from": lambda ctx, store, bucket: Sync(**store, source=f"{bucket}/in/", target="here").run(ctx),
    "prune plan": lambda ctx, store, bucket: Prune(**store, uri=f"{bucket}/in/", keep_last=1).plan(ctx),
    "poll": lambda ctx, store, bucket: list(ObjectCreated(**store, uri=f"{bucket}/in/").poll(ctx)),
}
WRITING: dict[str, Act] = {
    "put": lambda ctx, store, bucket: Put(**store, uri=f"{bucket}/out", content="x").run(ctx),
    "put over": lambda ctx, store, bucket: Put(**store, uri=f"{bucket}/in/a", content="x", overwrite=True).run(ctx),
    "put large": lambda ctx, store, bucket: Put(**store, uri=f"{bucket}/out", file="large").run(ctx),
    "put locked": lambda ctx, store, bucket: Put(
        **store, uri=f"{bucket}/out", content="x", object_lock={"retain": "1d"}
    ).run(ctx),
    "copy": lambda ctx, store, bucket: Copy(**store, source=f"{bucket}/in/a", uri=f"{bucket}/out").run(ctx),
    "move": lambda ctx, store, bucket: Move(**store, source=f"{bucket}/in/a", uri=f"{bucket}/out").run(ctx),
    "delete": lambda ctx, store, bucket: Delete(**store, uri=f"{bucket}/in/a").run(ctx),
    "delete a version": lambda ctx, store, bucket: Delete(**store, uri=f"{bucket}/in/a", version="1").run(ctx),
    "delete all": lambda ctx, store, bucket: Delete(**store, uri=f"{bucket}/in/", recursive=True).run(ctx),
    "sync to": lambda ctx, store, bucket: Sync(**store, source="there", target=f"{bucket}/out/").run(ctx),
    "prune": lambda ctx, store, bucket: Prune(**store, uri=f"{bucket}/in/", keep_last=1).run(ctx),
}
ALL = READING | WRITING


@pytest.fixture
def here(ctx: RecordedContext) -> RecordedContext:
    """A context whose work folder has what is to be sent."""
    (ctx.workdir / "large").write_bytes(bytes(9 << 20))
    (ctx.workdir / "there").mkdir()
    (ctx.workdir / "there/file").write_text("x")
    return ctx


@pytest.fixture
def filled(here: RecordedContext, store: Fields, bucket: str) -> str:
    """A bucket with two objects."""
    for name in ("a", "b"):
        Put(**store, uri=f"{bucket}/in/{name}", content=name).run(here)
    return bucket


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
@pytest.mark.parametrize(
    ("change", "code"), [({"secret_key": SECRET}, "SignatureDoesNotMatch"), (KEYS, "InvalidAccessKeyId")]
)
def test_wrong_keys(here: RecordedContext, filled: str, store: Fields, act: Act, change: Fields, code: str) -> None:
    error = failing(here, act, {**store, **change}, filled)
    # The answer to a HEAD has no body that could say more than its status.
    assert code in error.message or "status 403" in error.message, error.message
    assert error.retryable is False
    assert error.hint


@pytest.mark.parametrize("act", WRITING.values(), ids=WRITING)
def test_who_may_only_read(here: RecordedContext, filled: str, reader: Fields, store: Fields, act: Act) -> None:
    error = failing(here, act, reader, filled)
    assert "AccessDenied" in error.message
    assert "rights" in error.hint
    assert error.retryable is False
    assert List(**store, uri=f"{filled}/").run(here).count == 2


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
def test_a_bucket_that_is_not_there(here: RecordedContext, store: Fields, act: Act) -> None:
    error = failing(here, act, store, "s3://not-there")
    assert "NoSuchBucket" in error.message or "status 404" in error.message, error.message
    assert error.retryable is False


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
@pytest.mark.parametrize(
    ("server", "words"), [("127.0.0.1:1", "the connection is refused"), ("no.such.invalid", "its name is not known")]
)
def test_nobody_there(here: RecordedContext, act: Act, server: str, words: str) -> None:
    error = failing(here, act, {"endpoint": f"http://{server}", "allow_http": True, **KEYS}, NOWHERE)
    assert f"`{server}` failed: {words}" in error.message
    assert error.retryable is None


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
def test_silence(here: RecordedContext, silence: Silence, act: Act) -> None:
    fields = {"endpoint": f"http://127.0.0.1:{silence.port}", "allow_http": True, "read_timeout": "200ms", **KEYS}
    error = failing(here, act, fields, NOWHERE)
    assert "did not answer in time" in error.message
    assert error.retryable is None


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
def test_cancel_in_the_silence(here: RecordedContext, silence: Silence, act: Act) -> None:
    fields = {"endpoint": f"http://127.0.0.1:{silence.port}", "allow_http": True, "read_timeout": "1h", **KEYS}
    assert "stopped" in failing_by_cancel(here, act, fields, NOWHERE).message


@pytest.mark.parametrize("act", ALL.values(), ids=ALL)
def test_a_certificate_that_nobody_should_trust(
    here: RecordedContext, badly_certified: tuple[str, Path], act: Act
) -> None:
    endpoint, ca = badly_certified
    error = failing(here, act, {"endpoint": endpoint, "ca_file": ca, **KEYS}, NOWHERE)
    assert "is not trusted" in error.message or "has expired" in error.message, error.message
    assert error.retryable is False
