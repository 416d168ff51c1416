"""Tests of `http.request` against servers that answer: what is sent, and what comes of it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from plugins.http.tests.site import Site
from pydantic import Secret, SecretStr, ValidationError
from tests.lab.inventory_api import InventoryApi

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_http.request import Request


def echoed(ctx: RecordedContext, site: Site, **fields: Any) -> Any:
    return Request(url=f"{site.url}/echo", **fields).run(ctx).json


def test_a_flow_reads_the_inventory_page_by_page(run_flow: RunFlow, inventory_api: InventoryApi) -> None:
    run = run_flow(
        """
        id: clusters
        namespace: test
        tasks:
          - id: clusters
            type: http.request
            url: "{{ secret('cmdb#url') }}/clusters"
            params: {limit: 2}
            token: "{{ secret('cmdb#token') }}"
            pages: {cursor: next, parameter: cursor, items: items}
        outputs:
          names: "{{ outputs.clusters.json | map(attribute='name') | list }}"
          pages: "{{ outputs.clusters.pages }}"
        """,
        secrets={"cmdb#token": inventory_api.token, "cmdb#url": inventory_api.url},
    )
    assert run.state == "success", run.log
    assert run.outputs == {"names": [f"db-0{number}" for number in range(1, 6)], "pages": 3}
    assert inventory_api.token not in run.log


def test_pages_are_followed_by_the_link_header(ctx: RecordedContext, inventory_api: InventoryApi) -> None:
    answer = Request(
        url=f"{inventory_api.url}/clusters",
        params={"limit": 3},
        token=SecretStr(inventory_api.token),
        pages={"link_header": True, "items": "items[].name"},
    ).run(ctx)
    assert answer.json == ["db-01", "db-02", "db-03", "db-04", "db-05"]
    assert answer.pages == 2


def test_a_cursor_may_be_an_address_or_a_field_of_the_json(ctx: RecordedContext, site: Site) -> None:
    wanted = [0, 1, 2, 3, 4]
    link = {"cursor": "link", "items": "rows[].n"}
    assert Request(url=f"{site.url}/pages", pages=link).run(ctx).json == wanted
    posted = {"cursor": "next", "field": "after", "items": "rows[].n"}
    assert Request(method="post", url=f"{site.url}/pages", json={"after": 0}, pages=posted).run(ctx).json == wanted


def test_many_items_become_json_lines(ctx: RecordedContext, site: Site) -> None:
    pages = {"cursor": "next", "parameter": "cursor", "items": "rows"}
    answer = Request(url=f"{site.url}/pages", pages=pages, inline_limit=100).run(ctx)
    assert answer.json is None
    assert answer.artifact is not None
    lines = ctx.artifacts.read(answer.artifact).splitlines()
    assert [json.loads(line)["n"] for line in lines] == [0, 1, 2, 3, 4]


def test_pages_go_neither_round_in_a_circle_nor_to_another_server(ctx: RecordedContext, site: Site) -> None:
    circle = {"cursor": "next", "parameter": "cursor", "items": "rows"}
    with pytest.raises(TaskFailed, match="in a circle"):
        Request(url=f"{site.url}/pages?circle=1", pages=circle).run(ctx)
    other = {"cursor": "link", "items": "rows"}
    with pytest.raises(TaskFailed, match=r"on another server, `http://other\.example\.org`") as failure:
        Request(url=f"{site.url}/pages?elsewhere=http://other.example.org/x", pages=other).run(ctx)
    assert failure.value.retryable is False
    with pytest.raises(TaskFailed, match="more than 2 pages"):
        Request(url=f"{site.url}/pages", pages={**circle, "max_pages": 2}).run(ctx)


def test_parameters_and_headers_are_sent(ctx: RecordedContext, site: Site) -> None:
    said = Request(
        url=f"{site.url}/echo?a=1", params={"b": [1, "x y"], "c": True}, headers={"X-Count": 3, "X-Name": "db"}
    ).run(ctx)
    assert said.json["path"] == "/echo?a=1&b=1&b=x+y&c=true"
    assert said.json["headers"]["x-count"] == "3"
    assert said.url == f"{site.url}/echo"
    assert said.headers["content-type"] == "application/json"


def test_each_kind_of_body_arrives(ctx: RecordedContext, site: Site) -> None:
    said = echoed(ctx, site, method="POST", json={"a": SecretStr("hidden"), "b": [1, None]})
    assert json.loads(said["body"]) == {"a": "hidden", "b": [1, None]}
    assert said["headers"]["content-type"] == "application/json"
    assert echoed(ctx, site, method="POST", json=None)["body"] == "null"
    form = echoed(ctx, site, method="POST", form={"a": "1 2", "b": [1, 2]})
    assert form["body"] == "a=1+2&b=1&b=2"
    text = echoed(ctx, site, method="POST", body="<a>é</a>", headers={"content-type": "text/xml"})
    assert (text["body"], text["headers"]["content-type"]) == ("<a>é</a>", "text/xml")
    (ctx.workdir / "report.csv").write_bytes(b"a,b\n")
    assert echoed(ctx, site, method="PUT", body_file="report.csv")["body"] == "a,b\n"


def test_a_large_artifact_is_streamed_with_its_length(ctx: RecordedContext, site: Site) -> None:
    content = bytes(range(256)) * 20_000
    with ctx.artifacts.writer("dump.gz") as writer:
        writer.write(content)
    said = echoed(ctx, site, method="PUT", body=writer.artifact)
    assert said["sha256"] == hashlib.sha256(content).hexdigest()
    assert said["headers"]["content-length"] == str(len(content))


def test_files_are_sent_as_parts_of_a_form(ctx: RecordedContext, site: Site) -> None:
    with ctx.artifacts.writer("dump.gz") as writer:
        writer.write(b"stored")
    (ctx.workdir / "notes.txt").write_text("in the folder")
    files = {"a": writer.artifact, "b": "notes.txt", "c": {"content": "itself", "filename": "c.json"}}
    said = echoed(ctx, site, method="POST", form={"title": "three"}, files=files)
    assert said["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    for part in ('name="title"', 'filename="dump.gz"', "stored", "in the folder", 'filename="c.json"', "itself"):
        assert part in said["body"]


def test_a_file_outside_the_work_folder_is_not_sent(ctx: RecordedContext, site: Site) -> None:
    with pytest.raises(TaskFailed, match="leads out of the work folder"):
        echoed(ctx, site, method="PUT", body_file="../../etc/passwd")
    with pytest.raises(TaskFailed, match="no file `nothing`"):
        echoed(ctx, site, method="PUT", body_file="nothing")
    assert site.requests == []


def test_an_empty_answer_is_empty_text(ctx: RecordedContext, site: Site) -> None:
    site.content_type = "application/json"
    answer = Request(url=f"{site.url}/file").run(ctx)
    assert (answer.text, answer.json, answer.size) == ("", None, 0)
    assert Request(url=f"{site.url}/echo", method="HEAD").run(ctx).text == ""


def test_a_long_answer_becomes_an_artifact(ctx: RecordedContext, site: Site) -> None:
    answer = Request(url=f"{site.url}/long/dump.bin?megabytes=40").run(ctx)
    assert (answer.text, answer.size) == (None, 40 << 20)
    assert answer.artifact is not None
    assert (answer.artifact.name, answer.artifact.size) == ("dump.bin", 40 << 20)


def test_text_in_another_encoding_is_read_and_what_is_no_text_is_stored(ctx: RecordedContext, site: Site) -> None:
    site.content, site.content_type = "é".encode("latin-1"), "text/plain; charset=latin-1"
    assert Request(url=f"{site.url}/file").run(ctx).text == "é"
    site.content_type = "text/plain"
    answer = Request(url=f"{site.url}/file").run(ctx)
    assert answer.text is None
    assert answer.artifact is not None
    assert ctx.artifacts.read(answer.artifact) == b"\xe9"


def test_json_that_is_none_fails_unless_text_is_wanted(ctx: RecordedContext, site: Site) -> None:
    site.content, site.content_type = b"{oops", "application/problem+json"
    with pytest.raises(TaskFailed, match="JSON that cannot be read"):
        Request(url=f"{site.url}/file").run(ctx)
    assert Request(url=f"{site.url}/file", parse="text").run(ctx).text == "{oops"
    site.content, site.content_type = b"[1]", "text/plain"
    assert Request(url=f"{site.url}/file", parse="json").run(ctx).json == [1]


def test_every_body_can_be_stored(ctx: RecordedContext, site: Site) -> None:
    site.content = b"abc"
    answer = Request(url=f"{site.url}/file", answer="artifact").run(ctx)
    assert answer.artifact is not None
    assert ctx.artifacts.read(answer.artifact) == b"abc"


def test_an_answer_can_be_a_secret(run_flow: RunFlow, ctx: RecordedContext, site: Site) -> None:
    answer = Request(url=f"{site.url}/echo", hide_answer=True).run(ctx)
    assert isinstance(answer.json, Secret)
    site.content, site.content_type = b'{"token": "very-hidden"}', "application/json"
    run = run_flow(
        f"""
        id: hidden
        namespace: test
        tasks:
          - {{id: login, type: http.request, url: "{site.url}/file", hide_answer: true}}
          - {{id: use, type: http.request, url: "{site.url}/echo", token: "{{{{ outputs.login.json.token }}}}"}}
        """
    )
    assert run.state == "success", run.log
    assert site.headers[-1]["authorization"] == "Bearer very-hidden"


def test_a_busy_server_is_asked_again_when_it_says(ctx: RecordedContext, inventory_api: InventoryApi) -> None:
    inventory_api.fail(503, times=2, headers={"Retry-After": "0"})
    answer = Request(url=f"{inventory_api.url}/prices", token=SecretStr(inventory_api.token)).run(ctx)
    assert answer.json["cluster_month"] == 40.0
    assert inventory_api.requests == ["GET /prices"] * 3


def test_a_server_that_wants_to_be_left_alone_for_long_is_left_to_the_flow(ctx: RecordedContext, site: Site) -> None:
    site.statuses = [(429, {"Retry-After": "3600"})]
    with pytest.raises(TaskFailed, match="answered GET /echo with 429 Too Many Requests: told to fail") as failure:
        Request(url=f"{site.url}/echo").run(ctx)
    assert failure.value.retryable is None
    assert failure.value.output.headers["retry-after"] == "3600"
    assert len(site.requests) == 1
    site.statuses = [(503, {})] * 2
    again = {"times": 1, "delay": timedelta(milliseconds=1)}
    with pytest.raises(TaskFailed, match="503"):
        Request(url=f"{site.url}/echo", send_again=again).run(ctx)
    assert len(site.requests) == 3


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (403, False), (404, False), (500, None), (502, None)])
def test_a_status_says_whether_a_retry_may_help(
    ctx: RecordedContext, site: Site, status: int, retryable: bool | None
) -> None:
    site.statuses = [(status, {})]
    with pytest.raises(TaskFailed, match=str(status)) as failure:
        Request(url=f"{site.url}/echo?token=hidden").run(ctx)
    assert failure.value.retryable is retryable
    assert "hidden" not in str(failure.value)
    assert failure.value.output.status == status
    site.statuses = [(status, {})]
    assert Request(url=f"{site.url}/echo", allowed_statuses=["2xx", status, "300-304"]).run(ctx).status == status


def test_a_refusal_shows_the_path_only_where_the_flow_has_written_it(ctx: RecordedContext, site: Site) -> None:
    def refused(path: str, url: type[str | SecretStr]) -> str:
        site.statuses = [(302, {"Location": "/given/by-the-server"})] if path == "/moved" else []
        site.statuses += [(404, {})]
        with pytest.raises(TaskFailed) as failure:
            Request(url=url(f"{site.url}{path}")).run(ctx)
        return failure.value.message

    assert "answered GET /nowhere with 404" in refused("/nowhere?key=in-the-query", str)
    assert "answered GET with 404" in refused("/in-a-secret", SecretStr)
    assert "answered GET with 404" in refused("/moved", str)


def test_a_redirect_is_followed_with_its_body_and_its_cookie(ctx: RecordedContext, site: Site) -> None:
    (ctx.workdir / "body").write_bytes(b"kept")
    said = Request(method="PUT", url=f"{site.url}/redirect?status=307&to=/echo", body_file="body").run(ctx)
    assert (said.json["method"], said.json["body"]) == ("PUT", "kept")
    assert said.url == f"{site.url}/echo"
    assert Request(url=f"{site.url}/cookie").run(ctx).json["headers"]["cookie"] == "session=abcdef"
    cookie = Request(url=f"{site.url}/cookie", redirects=0, allowed_statuses=[302]).run(ctx).headers["set-cookie"]
    assert isinstance(cookie, SecretStr)
    with pytest.raises(TaskFailed, match="redirects for ever"):
        Request(url=f"{site.url}/redirect?to=/redirect?to=/redirect", redirects=1).run(ctx)


def test_another_host_does_not_get_what_is_secret(ctx: RecordedContext, site: Site) -> None:
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    said = Request(
        url=f"{site.url}/redirect?to={elsewhere}/echo",
        token=SecretStr("hidden"),
        headers={"X-Api-Key": "hidden", "Accept": "application/json"},
    ).run(ctx)
    assert said.url == f"{elsewhere}/echo"
    assert "hidden" not in json.dumps(said.json)
    assert said.json["headers"]["accept"] == "application/json"
    assert site.headers[0]["x-api-key"] == "hidden"


def test_what_may_run_again_depends_on_the_method_and_the_key(ctx: RecordedContext, site: Site) -> None:
    assert Request(url=site.url).idempotent
    assert Request(url=site.url, method="DELETE").idempotent
    assert not Request(url=site.url, method="POST").idempotent
    keyed = Request(url=f"{site.url}/echo", method="POST", idempotency_header="Idempotency-Key")
    assert keyed.idempotent
    assert keyed.run(ctx).json["headers"]["idempotency-key"] == ctx.idempotency_key


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "ftp://a.example.org"}, "starts with `https://`"),
        ({"url": "https://me:word@a.example.org"}, "no login in a URL"),
        ({"token": "a", "user": "b"}, "either `user` or `token`"),
        ({"body": "a", "json": 1}, "either `json` or `body`"),
        ({"allowed_statuses": ["9xx"]}, "should match pattern"),
        (
            {"pages": {"cursor": "a["}},
            r"`a\[` is no JMESPath expression: Invalid jmespath expression: Incomplete expression \[",
        ),
        ({"pages": {"cursor": ""}}, "is no JMESPath expression: Invalid JMESPath expression: cannot be empty."),
        ({"client_key": "x"}, "needs its certificate"),
        ({"proxy": "ftp://x"}, "`proxy` is"),
    ],
)
def test_fields_that_cannot_be_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Request(**{"url": "https://a.example.org", **fields})


def test_no_secret_is_in_the_repr() -> None:
    request = Request(
        url=SecretStr("https://a.example.org/hidden"),
        headers={"X-Key": "hidden"},
        user="me",
        password=SecretStr("hidden"),
        client_certificate="PEM",
        client_key=SecretStr("hidden"),
        json={"a": "hidden"},
    )
    assert "hidden" not in repr(request)
    assert request.plan(RecordedContext.__new__(RecordedContext)) == {"method": "GET", "url": "***"}
