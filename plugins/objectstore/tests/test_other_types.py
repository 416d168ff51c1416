"""Tests of copy, move, delete, list, exists, presign, sync, and the trigger, against the lab's S3."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.lab.s3 import S3

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_objectstore import copying, s3_copy
from rota_objectstore.copy import Copy, Move
from rota_objectstore.delete import Delete
from rota_objectstore.get import Get
from rota_objectstore.listing import Exists, List
from rota_objectstore.object_created import ObjectCreated
from rota_objectstore.presign import Presign
from rota_objectstore.put import Put
from rota_objectstore.sync import Sync

Fields = dict[str, Any]
MIB = 1 << 20


def put(ctx: RecordedContext, store: Fields, uri: str, text: str = "x") -> None:
    Put(**store, uri=uri, content=text, overwrite=True).run(ctx)


def text(ctx: RecordedContext, store: Fields, uri: str) -> str | None:
    return Get(**store, uri=uri, **{"as": "text"}).run(ctx).text


def names(ctx: RecordedContext, store: Fields, uri: str) -> list[str]:
    return [item.name for item in List(**store, uri=uri).run(ctx).objects]


def test_a_copy_overwrites_nothing_unless_told(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    put(ctx, store, f"{bucket}/a", "one")
    put(ctx, store, f"{bucket}/b", "two")
    with pytest.raises(TaskFailed, match="exists already"):
        Copy(**store, source=f"{bucket}/a", uri=f"{bucket}/b").run(ctx)
    assert Copy(**store, source=f"{bucket}/a", uri=f"{bucket}/c/").run(ctx).uri == f"{bucket}/c/a"
    assert not Copy(**store, source=f"{bucket}/a", uri=f"{bucket}/c/").run(ctx).written
    assert Copy(**store, source=f"{bucket}/a", uri=f"{bucket}/b", overwrite=True).run(ctx).written
    assert text(ctx, store, f"{bucket}/b") == "one"


def test_a_copy_to_another_bucket_is_the_servers_work(ctx: RecordedContext, s3: S3, store: Fields, bucket: str) -> None:
    other = s3.create_bucket(f"{bucket.removeprefix('s3://')}-other")
    put(ctx, store, f"{bucket}/a")
    done = Copy(**store, source=f"{bucket}/a", uri=f"s3://{other}/a", storage_class="STANDARD_IA").run(ctx)
    assert done.sha256 is None
    assert s3.client().head_object(Bucket=other, Key="a")["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_copy_too_large_for_one_request_is_made_in_parts(
    ctx: RecordedContext, s3: S3, store: Fields, bucket: str, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MOST_IN_ONE_COPY", 6 * MIB)
    monkeypatch.setattr(s3_copy, "PART", 5 * MIB)
    (ctx.workdir / "large").write_bytes(os.urandom(11 * MIB))
    done = Put(**store, uri=f"{bucket}/a", file="large", content_type="a/b", metadata={"k": "v"}, overwrite=True).run(
        ctx
    )
    Copy(**store, source=f"{bucket}/a", uri=f"{bucket}/b", overwrite=overwrite).run(ctx)
    got = Get(**store, uri=f"{bucket}/b").run(ctx)
    assert (got.sha256, got.content_type, got.metadata) == (done.sha256, "a/b", {"k": "v"})
    assert (got.etag or "").endswith("-3")
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=bucket.removeprefix("s3://"))


def test_a_copy_to_another_store_is_proved(ctx: RecordedContext, tmp_path: Path, store: Fields, bucket: str) -> None:
    (ctx.workdir / "large").write_bytes(os.urandom(9 * MIB))
    done = Put(**store, uri=f"{bucket}/a", file="large").run(ctx)
    away = Copy(source=f"{bucket}/a", uri=f"file://{tmp_path}/away/", source_store=store).run(ctx)
    assert away.sha256 == done.sha256
    back = Copy(**store, source=away.uri, uri=f"{bucket}/back").run(ctx)
    assert (back.sha256, back.written) == (done.sha256, True)


def test_a_moved_object_is_there_and_not_here(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    put(ctx, store, f"{bucket}/in/a", "one")
    Move(**store, source=f"{bucket}/in/a", uri=f"{bucket}/done/").run(ctx)
    assert names(ctx, store, f"{bucket}/") == ["done/a"]
    with pytest.raises(TaskFailed, match="was refused"):
        Move(**store, source=f"{bucket}/in/a", uri=f"{bucket}/done/b").run(ctx)


def test_a_list_is_of_one_folder_and_knows_patterns_and_limits(
    ctx: RecordedContext, store: Fields, bucket: str
) -> None:
    for name in ("f/a.gz", "f/b.txt", "f/g/c.gz", "fg/d.gz"):
        put(ctx, store, f"{bucket}/{name}", name)
    assert names(ctx, store, f"{bucket}/f/") == ["a.gz", "b.txt", "g/c.gz"]
    found = List(**store, uri=f"{bucket}/f/", pattern="*.gz").run(ctx)
    assert ([item.name for item in found.objects], found.size) == (["a.gz", "g/c.gz"], 14)
    flat = List(**store, uri=f"{bucket}/f/", recursive=False).run(ctx)
    assert ([item.name for item in flat.objects], flat.folders) == (["a.gz", "b.txt"], ["g"])
    assert List(**store, uri=f"{bucket}/", limit=2).run(ctx).truncated
    assert List(**store, uri=f"{bucket}/none/").run(ctx).count == 0


def test_that_there_is_no_object_is_an_answer_and_that_there_is_no_bucket_a_failure(
    ctx: RecordedContext, store: Fields, bucket: str
) -> None:
    put(ctx, store, f"{bucket}/a", "four")
    assert Exists(**store, uri=f"{bucket}/a").run(ctx).size == 4
    assert not Exists(**store, uri=f"{bucket}/b").run(ctx).exists
    with pytest.raises(TaskFailed, match="NoSuchBucket"):
        Exists(**store, uri="s3://not-there/b").run(ctx)


def test_deleting_takes_what_was_said_and_no_more(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    for name in ("f/a", "f/g/b", "fg"):
        put(ctx, store, f"{bucket}/{name}")
    task = Delete(**store, uri=f"{bucket}/f/", recursive=True)
    assert task.plan(ctx) == {"delete": [f"{bucket}/f/a", f"{bucket}/f/g/b"]}
    assert task.run(ctx).count == 2
    assert names(ctx, store, f"{bucket}/") == ["fg"]
    Delete(**store, uri=f"{bucket}/none").run(ctx)
    with pytest.raises(TaskFailed, match="there is no object"):
        Delete(**store, uri=f"{bucket}/none", missing_ok=False).run(ctx)
    for wrong in ({"uri": "s3://b/f/"}, {"uri": "s3://b/", "recursive": True}, {"uri": "s3://b/f", "recursive": True}):
        with pytest.raises(ValidationError):
            Delete.model_validate(wrong)


def test_a_presigned_address_needs_no_login_and_is_a_secret(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    put(ctx, store, f"{bucket}/a", "one")
    made = Presign(**store, uri=f"{bucket}/a", expires="1m").run(ctx)
    assert "Signature" not in repr(made)
    with urllib.request.urlopen(made.url.get_secret_value()) as answer:
        assert answer.read() == b"one"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(made.url.get_secret_value().replace("/a?", "/b?"))
    with pytest.raises(ValidationError, match="seven days"):
        Presign(uri="s3://b/k", expires="8d")


def test_sync_copies_what_differs_and_deletes_when_told(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    folder = ctx.workdir / "site"
    (folder / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (folder / name).write_text(name)
    put(ctx, store, f"{bucket}/site/old")
    task = Sync(**store, source="site", target=f"{bucket}/site/", delete=True)
    assert task.plan(ctx) == {"copy": ["a", "b", "sub/c"], "delete": ["old"], "unchanged": 0}
    done = task.run(ctx)
    assert (done.copied, done.size, done.deleted) == (3, 7, 1)
    (folder / "a").write_text("A")
    os.utime(folder / "a", (1, 1))
    assert task.run(ctx).copied == 0
    by_content = Sync(**store, source="site", target=f"{bucket}/site/", compare="checksum")
    assert (by_content.run(ctx).copied, by_content.run(ctx).unchanged) == (1, 3)
    Sync(**store, source=f"{bucket}/site/", target="back").run(ctx)
    assert (ctx.workdir / "back/sub/c").read_text() == "sub/c"


def test_a_sync_by_checksum_fetches_nothing_whose_etag_tells(
    ctx: RecordedContext, store: Fields, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    (ctx.workdir / "site").mkdir()
    (ctx.workdir / "site/small").write_text("small")
    (ctx.workdir / "site/large").write_bytes(os.urandom(9 << 20))  # in parts
    task = Sync(**store, source="site", target=f"{bucket}/site/", compare="checksum")
    assert task.run(ctx).copied == 2
    get, asked = obstore.get_async, []

    async def counted(client: Any, *rest: Any, **more: Any) -> Any:
        asked.append(type(client).__name__)
        return await get(client, *rest, **more)

    monkeypatch.setattr(obstore, "get_async", counted)
    assert task.run(ctx).unchanged == 2
    assert asked == ["LocalStore", "LocalStore"]


def test_a_source_that_is_not_there_is_told(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    for source in ("none", f"file://{ctx.workdir}/none/"):
        with pytest.raises(TaskFailed, match=f"there is no folder `{source}`"):
            Sync(**store, source=source, target=f"{bucket}/site/").run(ctx)
    assert Sync(**store, source=f"{bucket}/none/", target=f"{bucket}/site/").run(ctx).copied == 0
    assert f"there is nothing in `{bucket}/none/`" in ctx.log.text


def test_an_empty_source_deletes_nothing(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    put(ctx, store, f"{bucket}/site/old")
    (ctx.workdir / "empty").mkdir()
    with pytest.raises(TaskFailed, match="nothing is deleted"):
        Sync(**store, source="empty", target=f"{bucket}/site/", delete=True).run(ctx)
    assert names(ctx, store, f"{bucket}/") == ["site/old"]


def test_each_new_object_is_an_event_once(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    put(ctx, store, f"{bucket}/in/old.csv")
    trigger = ObjectCreated(**store, uri=f"{bucket}/in/", pattern="*.csv")
    assert list(trigger.poll(ctx)) == []
    for name in ("new.csv", "new.txt"):
        put(ctx, store, f"{bucket}/in/{name}", "12345")
    (event,) = trigger.poll(ctx)
    assert (event.data["uri"], event.data["size"]) == (f"{bucket}/in/new.csv", 5)
    assert list(trigger.poll(ctx)) == []
    put(ctx, store, f"{bucket}/in/new.csv", "again")
    (again,) = trigger.poll(ctx)
    assert again.key != event.key


def test_a_folder_with_an_asterisk_is_refused(store: Fields, bucket: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ObjectCreated(**store, uri=f"{bucket}/in/*.csv")
    assert f'write `uri: {bucket}/in/` and `pattern: "*.csv"`' in str(refused.value)


def test_what_is_there_already_counts_when_told(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    put(ctx, store, f"{bucket}/in/old.csv")
    trigger = ObjectCreated(**store, uri=f"{bucket}/in/", include_existing=True)
    assert [event.data["name"] for event in trigger.poll(ctx)] == ["old.csv"]
    assert list(trigger.poll(ctx)) == []
