"""Tests of export and import."""

from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson import Code, Decimal128, Int64, ObjectId, json_util
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_mongo import exporting, importing
from rota_mongo.exporting import Export, count
from rota_mongo.extended_json import json_options
from rota_mongo.importing import Import
from rota_mongo.json_lines import line_decoder, line_encoder

if TYPE_CHECKING:
    from pymongo.collection import Collection

    Stored = Collection[dict[str, Any]]

Where = dict[str, Any]

MIXED: list[dict[str, Any]] = [
    {"_id": 1, "at": datetime(2026, 7, 1, 2, 3, 4, 5000, UTC), "text": "héllo\u2028\n", "n": Int64(5), "f": 0.5},
    {"_id": ObjectId("64b000000000000000000001"), "old": datetime(1900, 1, 1, tzinfo=UTC), "d": Decimal128("1.10")},
    {"_id": "code", "code": Code("return 1"), "inner": [{"code": Code("x", {"a": 1})}], "b": Binary(b"\0\xff", 5)},
    {"_id": "nan", "nan": float("nan"), "inf": float("-inf"), "code": Code("y"), "far": DatetimeMS(1 << 55)},
    {"_id": "dollar", "price": {"$numberOf": 1}, "empty": {}, "list": []},
]


@pytest.mark.parametrize("form", ["relaxed", "canonical"])
def test_a_line_is_what_pymongo_would_write(form: str) -> None:
    options = json_options(form)
    batch = b"".join(bson.encode(document) for document in MIXED)
    lines, number = line_encoder(form)(batch)
    documents = bson.decode_all(batch, options.with_options(json_mode=options.json_mode))
    expected = [json.loads(json_util.dumps(document, json_options=options)) for document in documents]
    assert [json.loads(line) for line in lines.decode().split("\n")[:-1]] == expected
    assert number == count(batch) == len(MIXED)


KEYS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5).filter(lambda key: key[:1] != "$")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.just(float("nan"))  # the others that there are have no name in JSON
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.binary(max_size=20)
    | st.builds(ObjectId, st.binary(min_size=12, max_size=12))
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.sampled_from(["relaxed", "canonical"]))
def test_a_document_comes_back_from_its_line(document: dict[str, Any], form: str) -> None:
    data = bson.encode(document)
    line = line_encoder(form)(data)[0].decode().removesuffix("\n")
    assert "\n" not in line
    back = bson.encode(line_decoder().decode(line))
    if form == "canonical":
        assert back == data
    else:  # relaxed JSON does not tell small numbers of 64 bits from those of 32
        assert repr(bson.decode(back)) == repr(bson.decode(data))


@pytest.mark.parametrize("format", ["jsonl", "bson"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_what_was_exported_is_imported_again(
    ctx: RecordedContext, orders: Where, stored: Stored, format: str, compression: str
) -> None:
    stored.insert_many([{name: value for name, value in one.items() if name != "far"} for one in MIXED])
    done = Export(**orders, format=format, compression=compression, extended_json="canonical").run(ctx)
    assert done.artifact is not None
    data = ctx.artifacts.read(done.artifact)
    assert (done.documents, done.file, done.size) == (5, None, len(data))
    assert done.sha256 == done.artifact.sha256 == hashlib.sha256(data).hexdigest()
    assert done.artifact.name == f"orders.{format}" + (".gz" if compression == "gzip" else "")
    assert len(gzip.decompress(data) if compression == "gzip" else data) == done.raw_bytes
    again = Import(**{**orders, "collection": "again"}, file=done.artifact, sha256=done.sha256).run(ctx)
    assert (again.documents, again.inserted) == (5, 5)
    batches: list[Any] = [stored.database[name].find_raw_batches(sort=[("_id", 1)]) for name in ("orders", "again")]
    raw = [b"".join(found) for found in batches]
    assert raw[0] == raw[1]


def test_an_export_takes_what_a_query_finds(
    ctx: RecordedContext, orders: Where, stored: Stored, tmp_path: Path
) -> None:
    stored.insert_many([{"_id": number, "even": number % 2 == 0, "text": "x"} for number in range(10)])
    file = tmp_path / "out.jsonl"
    done = Export(
        **orders,
        file=str(file),
        compression="none",
        filter={"even": True},
        projection=["_id"],
        sort={"_id": -1},
        limit=2,
    ).run(ctx)
    assert file.read_text() == '{"_id":8}\n{"_id":6}\n'
    assert file.stat().st_mode & 0o777 == 0o600
    assert (done.artifact, done.file, done.documents) == (None, str(file), 2)
    assert list(tmp_path.glob(".out*")) == []


@pytest.mark.parametrize("format", ["jsonl", "bson"])
def test_an_empty_collection_is_an_empty_file(ctx: RecordedContext, orders: Where, format: str, tmp_path: Path) -> None:
    done = Export(**orders, format=format, file=str(tmp_path / "out")).run(ctx)
    assert (done.documents, done.raw_bytes, gzip.decompress((tmp_path / "out").read_bytes())) == (0, 0, b"")
    assert Import(**orders, file=str(tmp_path / "out")).run(ctx).documents == 0


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(
    ctx: RecordedContext, orders: Where, stored: Stored, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match="absolute path"):
        Export(**orders, file="out.jsonl")
    with pytest.raises(TaskFailed, match="cannot be written") as raised:
        Export(**orders, file=str(tmp_path / "none" / "out")).run(ctx)
    assert raised.value.retryable is False
    (tmp_path / "out").write_text("before")
    with pytest.raises(TaskFailed, match="the server refuses it"):
        Export(**orders, file=str(tmp_path / "out"), filter={"$nonsense": 1}).run(ctx)
    assert (tmp_path / "out").read_text() == "before"
    assert list(tmp_path.glob(".out*")) == []


def test_text_that_is_no_utf8_is_told_with_the_way_out() -> None:
    broken = bson.encode({"_id": 1, "text": "ab"}).replace(b"ab", b"\xffb")
    with pytest.raises(TaskFailed, match="no UTF-8") as raised:
        line_encoder("relaxed")(broken)
    assert "format: bson" in raised.value.hint


def test_documents_that_are_there_fail_are_replaced_or_skipped(
    ctx: RecordedContext, orders: Where, stored: Stored, tmp_path: Path
) -> None:
    stored.insert_one({"_id": 1, "old": True})
    file = tmp_path / "in.jsonl"
    file.write_text('\ufeff{"_id": 1, "new": true}\n\n  {"_id": 2}\r\n{"_id": 3}', encoding="utf-8")
    with pytest.raises(TaskFailed, match="E11000") as raised:
        Import(**orders, file=str(file)).run(ctx)
    assert raised.value.retryable is False
    assert ctx.outputs[-1].model_dump() == {"documents": 3, "inserted": 2, "replaced": 0, "skipped": 0}
    skipped = Import(**orders, file=str(file), mode="skip").run(ctx)
    assert skipped.model_dump() == {"documents": 3, "inserted": 0, "replaced": 0, "skipped": 3}
    assert stored.find_one(1) == {"_id": 1, "old": True}
    stored.delete_one({"_id": 3})
    replaced = Import(**orders, file=str(file), mode="replace").run(ctx)
    assert replaced.model_dump() == {"documents": 3, "inserted": 1, "replaced": 2, "skipped": 0}
    assert stored.find_one(1) == {"_id": 1, "new": True}
    assert [Import(**orders, file="x", mode=mode).idempotent for mode in ("insert", "skip", "replace")] == [
        False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1}\n{"a": \n', "line 2 of .* is no extended JSON"),
        (b'{"a": {"$oid": "short"}}\n', "line 1 of .* is no extended JSON"),
        (b'{"a": NaN}\n', "NaN is no JSON"),
        (b'[{"a": 1}]\n', "line 1 of .* is no document"),
        (b'{"a": "\xff"}\n', "line 1 of .* is not UTF-8"),
        (b"[" * 200_000, "line 1 of .* is no extended JSON"),
        (bson.encode({"a": 1}).replace(b"\x10a", b"\x7ea"), "the server refuses it|is no BSON"),
        (bson.encode({"a": 1})[:-3], "is cut off in document 1"),
        (b"\0\0\0\0\0", "document 1 of .* its length is 0"),
        (b"\x05\0\0", "document 1 of .* its length is 0"),
        (gzip.compress(b'{"a": 1}\n' * 100)[:-12], "is damaged or cut off"),
        (b"\x1f\x8bnot gzip at all", "is damaged or cut off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_a_damaged_file_is_told_by_its_place(
    ctx: RecordedContext, orders: Where, tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "in").write_bytes(content)
    with pytest.raises(TaskFailed, match=why) as raised:
        Import(**orders, file=str(tmp_path / "in")).run(ctx)
    assert raised.value.retryable is False


def test_a_file_that_is_not_what_it_should_be_is_not_imported(
    ctx: RecordedContext, orders: Where, stored: Stored, tmp_path: Path
) -> None:
    (ctx.workdir / "in.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(TaskFailed, match="is not what it should be") as raised:
        Import(**orders, file="in.jsonl", sha256="0" * 64).run(ctx)
    assert (raised.value.retryable, stored.count_documents({})) == (False, 0)
    assert Import(**orders, file="in.jsonl").run(ctx).inserted == 1
    with pytest.raises(TaskFailed, match="leads out of the work folder"):
        Import(**orders, file="../../secret").run(ctx)
    with pytest.raises(TaskFailed, match="cannot be read"):
        Import(**orders, file=str(tmp_path / "none")).run(ctx)
    with pytest.raises(TaskFailed, match="document 1 has no `_id`"):
        Import(**orders, file="in.jsonl", mode="replace").run(ctx)


def test_memory_does_not_grow_with_the_collection(
    ctx: RecordedContext, orders: Where, stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_BATCH", 200)
    monkeypatch.setattr(importing, "_BATCH", 200)
    file = str(tmp_path / "out")

    def peak(documents: int) -> int:
        stored.drop()
        stored.insert_many([{"text": "x" * 2000} for _ in range(documents)])
        tracemalloc.start()
        Export(**orders, file=file).run(ctx)
        Import(**{**orders, "collection": "again"}, file=file).run(ctx)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        stored.database["again"].drop()
        return most

    peak(200)  # what is loaded once
    # Ten batches take what two take, and not five times as much.
    assert peak(2000) < peak(400) * 1.5


def test_an_artifact_goes_from_an_export_to_an_import_in_a_flow(
    run_flow: RunFlow, mongodb_uri: str, mongodb_database: str, stored: Stored
) -> None:
    stored.insert_many([{"_id": number} for number in range(3000)])
    run = run_flow(
        f"""
        id: copy
        namespace: test
        defaults:
          mongo.*: {{uri: "{{{{ secret('mongo#uri') }}}}", database: {mongodb_database}}}
        tasks:
          - {{id: out, type: mongo.export, collection: orders, format: bson}}
          - {{id: in, type: mongo.import, collection: again, file: "{{{{ outputs.out.artifact }}}}",
             sha256: "{{{{ outputs.out.sha256 }}}}"}}
        outputs: {{inserted: "{{{{ outputs.in.inserted }}}}"}}
        """,
        secrets={"mongo#uri": mongodb_uri},
    )
    assert run.state == "success", run.log
    assert run.outputs == {"inserted": 3000}
