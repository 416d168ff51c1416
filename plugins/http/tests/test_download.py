"""Tests of `http.download`: whole files, broken transfers, files that change meanwhile."""

from __future__ import annotations

import hashlib
import tracemalloc
from datetime import timedelta

import pytest
from plugins.http.tests.site import Site
from pydantic import SecretStr, ValidationError
from tests.lab.inventory_api import InventoryApi

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_http.download import Download

CONTENT = bytes(range(256)) * 12_000
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(site: Site) -> Site:
    """A site that has a file."""
    site.content = CONTENT
    return site


def test_a_flow_downloads_a_file_and_proves_it(run_flow: RunFlow, file: Site) -> None:
    run = run_flow(
        f"""
        id: image
        namespace: test
        tasks:
          - {{id: image, type: http.download, url: "{file.url}/file/image.bin", checksum: "sha256:{SUM}"}}
        outputs: {{sha256: "{{{{ outputs.image.sha256 }}}}", name: "{{{{ outputs.image.artifact.name }}}}"}}
        """
    )
    assert run.state == "success", run.log
    assert run.outputs == {"sha256": SUM, "name": "image.bin"}


def test_a_broken_transfer_goes_on_where_it_was(ctx: RecordedContext, file: Site) -> None:
    file.break_after = [100_000, 200_000]
    done = Download(url=f"{file.url}/file").run(ctx)
    assert (done.sha256, done.size, done.resumed) == (SUM, len(CONTENT), 2)
    assert ctx.artifacts.read(done.artifact) == CONTENT
    ranges = [headers["range"] for headers in file.headers[1:]]
    assert len(ranges) == 2
    assert all(headers["if-range"] == '"one"' for headers in file.headers[1:])
    assert done.etag == '"one"'


def test_what_came_in_a_failed_attempt_is_kept_for_the_next(ctx: RecordedContext, file: Site) -> None:
    file.break_after = [2_000_000, 0]
    with pytest.raises(TaskFailed, match="broke the exchange off"):
        Download(url=f"{file.url}/file", resumes=0).run(ctx)
    done = Download(url=f"{file.url}/file").run(ctx)
    assert (done.sha256, done.resumed) == (SUM, 1)
    assert int(file.headers[-1]["range"].removeprefix("bytes=").rstrip("-")) > 1_000_000
    assert "partial" not in ctx.state


def test_a_file_that_changed_meanwhile_is_not_put_together_of_two(
    ctx: RecordedContext, file: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.break_after = [1000]
    original = Download._accept

    def accept(self: Download, response: object, part: object) -> None:
        original(self, response, part)  # type: ignore[arg-type]
        file.content, file.etag = b"another one", '"two"'

    monkeypatch.setattr(Download, "_accept", accept)
    done = Download(url=f"{file.url}/file").run(ctx)
    assert ctx.artifacts.read(done.artifact) == b"another one"
    assert "the file changed" in ctx.log.text


def test_without_a_version_a_broken_transfer_fails(ctx: RecordedContext, file: Site) -> None:
    file.etag, file.break_after = None, [1000]
    with pytest.raises(TaskFailed, match="broke the exchange off"):
        Download(url=f"{file.url}/file").run(ctx)
    assert len(file.requests) == 1


def test_a_server_that_always_breaks_off_is_given_up(ctx: RecordedContext, file: Site) -> None:
    file.break_after = [1000, 0, 0]
    with pytest.raises(TaskFailed, match="broke the exchange off"):
        Download(url=f"{file.url}/file", resumes=1).run(ctx)
    assert len(file.requests) == 3


def test_a_wrong_checksum_leaves_nothing_behind(ctx: RecordedContext, file: Site) -> None:
    with pytest.raises(TaskFailed, match="the file is not what it should be: its md5 is") as failure:
        Download(url=f"{file.url}/file", checksum=f"md5:{'0' * 32}").run(ctx)
    assert failure.value.retryable is False
    assert "partial" not in ctx.state
    with pytest.raises(ValidationError, match="a checksum is one of"):
        Download(url=file.url, checksum="sha256:12")


def test_an_empty_file_is_a_file(ctx: RecordedContext, site: Site) -> None:
    done = Download(url=f"{site.url}/file", name="nothing").run(ctx)
    assert (done.size, done.artifact.name) == (0, "nothing")


def test_a_file_that_is_not_there_and_one_that_may_not_be_had(
    ctx: RecordedContext, site: Site, inventory_api: InventoryApi
) -> None:
    with pytest.raises(TaskFailed, match="404") as missing:
        Download(url=f"{site.url}/missing").run(ctx)
    with pytest.raises(TaskFailed, match="401") as closed:
        Download(url=f"{inventory_api.url}/prices", token=SecretStr("no")).run(ctx)
    assert (missing.value.retryable, closed.value.retryable) == (False, False)


def test_a_busy_server_is_asked_again(ctx: RecordedContext, file: Site) -> None:
    file.statuses = [(503, {"Retry-After": "0"}), (503, {})]
    again = {"delay": timedelta(milliseconds=1)}
    assert Download(url=f"{file.url}/file", send_again=again).run(ctx).sha256 == SUM


def test_memory_is_constant(ctx: RecordedContext, site: Site) -> None:
    Download(url=f"{site.url}/long?megabytes=1").run(ctx)
    tracemalloc.start()
    try:
        done = Download(url=f"{site.url}/long?megabytes=100").run(ctx)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.size == 100 << 20
    assert peak < 8 << 20
