"""Tests of what goes wrong on the way, and of ending what is under way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from plugins.http.tests.site import Site
from tests.lab.inventory_api import InventoryApi
from tests.lab.silence import Silence

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_http.download import Download
from rota_http.request import Request

SHORT = timedelta(milliseconds=50)


def test_a_refused_connection_may_be_retried(ctx: RecordedContext) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(
            TaskFailed, match=rf"`http://127\.0\.0\.1:{port}` cannot be connected to: connection refused"
        ) as failure:
            Request(url=f"http://127.0.0.1:{port}").run(ctx)
        assert failure.value.retryable is None
        with pytest.raises(TaskFailed, match=rf"the proxy `127\.0\.0\.1:{port}` cannot be connected to"):
            Request(url="http://a.example.org", proxy=f"http://127.0.0.1:{port}").run(ctx)


def test_an_unknown_host_is_named(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"the host `nowhere\.invalid` is not known"):
        Request(url="http://nowhere.invalid").run(ctx)


def test_a_silent_server_is_given_up(ctx: RecordedContext, silence: Silence) -> None:
    address = f"127.0.0.1:{silence.port}"
    with pytest.raises(TaskFailed, match=f"`http://{address}` said nothing for `read_timeout`") as failure:
        Request(url=f"http://{address}", read_timeout=SHORT).run(ctx)
    assert failure.value.retryable is None
    with pytest.raises(TaskFailed, match="did not complete its answer within `total_timeout`"):
        Request(url=f"http://{address}", total_timeout=SHORT).run(ctx)
    with pytest.raises(TaskFailed, match="did not take a connection within `connect_timeout`"):
        Request(url=f"https://{address}", connect_timeout=SHORT).run(ctx)


def test_an_answer_that_drips_for_ever_ends_with_the_total_timeout(ctx: RecordedContext, site: Site) -> None:
    with pytest.raises(TaskFailed, match="`total_timeout`"):
        Request(url=f"{site.url}/drip", total_timeout=timedelta(milliseconds=200)).run(ctx)
    assert site.left.wait(60)


def test_an_answer_that_breaks_off_is_no_answer(ctx: RecordedContext, site: Site) -> None:
    site.content, site.break_after = b"x" * 1000, [10]
    with pytest.raises(TaskFailed, match="broke the exchange off") as failure:
        Request(url=f"{site.url}/file").run(ctx)
    assert failure.value.retryable is None


def test_a_killed_server_is_told_from_one_that_refuses(ctx: RecordedContext) -> None:
    with InventoryApi.start() as api:
        asking = Request(url=f"{api.url}/health")
        assert asking.run(ctx).json == {"ok": True}
        api.kill()
        with pytest.raises(TaskFailed, match=r"cannot be connected to|broke the exchange off") as failure:
            asking.run(ctx)
    assert failure.value.retryable is None


def test_http_is_not_taken_for_https(ctx: RecordedContext, site: Site) -> None:
    with pytest.raises(TaskFailed, match="does not speak TLS") as failure:
        Request(url=site.url.replace("http:", "https:")).run(ctx)
    assert failure.value.retryable is False


def test_a_header_that_cannot_be_sent_is_not_shown(ctx: RecordedContext, site: Site) -> None:
    with pytest.raises(TaskFailed, match="a header has characters") as failure:
        Request(url=site.url, headers={"X-Key": "hidden\nX-Other: 1"}).run(ctx)
    assert failure.value.retryable is False
    assert "hidden" not in str(failure.value)


def ended_by_cancel(ctx: RecordedContext, site: Site, run: Callable[[RecordedContext], Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, ctx)
        assert site.waiting.wait(60)
        ctx.cancel()
        with pytest.raises(TaskFailed, match="was stopped"):
            running.result(10)
    assert site.left.wait(60)


@pytest.mark.parametrize("path", ["silence", "drip"])
def test_cancel_ends_what_the_other_side_does(ctx: RecordedContext, site: Site, path: str) -> None:
    ended_by_cancel(ctx, site, Request(url=f"{site.url}/{path}").run)


def test_cancel_ends_a_download(ctx: RecordedContext, site: Site) -> None:
    ended_by_cancel(ctx, site, Download(url=f"{site.url}/drip").run)


def test_cancel_ends_a_connection_being_made(ctx: RecordedContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        asked.set()
        answer.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(Request(url="http://a.example.org").run, ctx)
        assert asked.wait(60)
        ctx.cancel()
        with pytest.raises(TaskFailed, match="was stopped"):
            running.result(10)
    answer.set()


def test_cancel_of_one_task_leaves_another_alone(ctx: RecordedContext, site: Site, tmp_path: Any) -> None:
    other = RecordedContext(tmp_path / "other")
    other._clients = ctx._clients
    ended_by_cancel(ctx, site, Request(url=f"{site.url}/silence").run)
    assert Request(url=f"{site.url}/echo").run(other).status == 200


def test_the_timeout_of_a_task_ends_its_transfer(run_flow: RunFlow, site: Site) -> None:
    run = run_flow(
        f"""
        id: late
        namespace: test
        tasks:
          - {{id: drip, type: http.request, url: "{site.url}/drip", timeout: 1s}}
        """
    )
    assert (run.state, run.tasks["drip"]) == ("failed", "failed")
    assert "timeout" in run.error
    assert site.left.wait(60)
