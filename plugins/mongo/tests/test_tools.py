"""Tests of dump and restore: with stand-ins for MongoDB's tools here, with the real ones where they are installed."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
from pydantic import ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_mongo.connection import Connection
from rota_mongo.tools import Dump, Restore, tool_settings

if TYPE_CHECKING:
    from pymongo.collection import Collection

    Stored = Collection[dict[str, Any]]

Where = dict[str, Any]

STAND_IN = """#!{python}
# Takes what the real tool takes, and dumps or restores one collection as {{ns, doc}}, which is not its format.
import gzip, json, os, stat, sys, bson
from pymongo import MongoClient

options = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
config = json.load(open(options["config"]))
mode = stat.S_IMODE(os.stat(options["config"]).st_mode)
json.dump({{"argv": sys.argv[1:], "mode": mode}}, open({seen!r}, "w"))
print("connecting to " + config["uri"], file=sys.stderr)
client = MongoClient(config["uri"])
if os.path.basename(sys.argv[0]) == "mongodump":
    out = sys.stdout.buffer if "gzip" not in options else gzip.GzipFile(fileobj=sys.stdout.buffer, mode="wb")
    number = 0
    for document in client[options["db"]][options["collection"]].find():
        out.write(bson.encode({{"ns": options["db"] + "." + options["collection"], "doc": document}}))
        number += 1
    out.close()
    print(f"done dumping {{options['db']}}.{{options['collection']}} ({{number}} documents)", file=sys.stderr)
else:
    number = 0
    for entry in bson.decode_file_iter(sys.stdin.buffer):
        client.get_database(options["nsTo"].partition(".")[0])["restored"].insert_one(entry["doc"])
        number += 1
    print(f"{{number}} document(s) restored successfully. 0 document(s) failed to restore.", file=sys.stderr)
"""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Where a stand-in writes down what it was called with."""
    return tmp_path / "seen.json"


def program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def tools(tmp_path: Path, seen: Path) -> dict[str, str]:
    """The stand-ins by name."""
    text = STAND_IN.format(python=sys.executable, seen=str(seen))
    return {name: program(tmp_path, name, text) for name in ("mongodump", "mongorestore")}


@pytest.mark.parametrize("packed", [True, False])
def test_a_dump_streams_to_an_artifact_and_is_restored(
    ctx: RecordedContext, orders: Where, stored: Stored, tools: dict[str, str], seen: Path, packed: bool
) -> None:
    stored.insert_many([{"_id": number, "text": "x" * 100} for number in range(1000)])
    done = Dump(**orders, program=tools["mongodump"], gzip=packed).run(ctx)
    assert done.artifact is not None
    data = ctx.artifacts.read(done.artifact)
    assert (done.documents, done.size, done.sha256) == (1000, len(data), done.artifact.sha256)
    assert (data[:2] == b"\x1f\x8b") is packed
    called = json.loads(seen.read_text())
    password = orders["uri"].partition("@")[0].rpartition(":")[2]
    assert called["mode"] == 0o600
    assert password not in json.dumps(called) + ctx.log.text
    assert "connecting to" in ctx.log.text
    assert list(ctx.workdir.glob(".rota-mongo*")) == []
    names = {f"{orders['database']}.*": f"{orders['database']}.*"}
    restore = Restore(
        uri=orders["uri"],
        program=tools["mongorestore"],
        file=done.artifact,
        sha256=done.sha256,
        drop=True,
        rename=names,
    )
    assert restore.run(ctx).documents == 1000
    assert stored.database["restored"].count_documents({}) == 1000
    assert {"--archive", "--drop", "--stopOnError"} <= set(json.loads(seen.read_text())["argv"])
    assert (restore.idempotent, Restore(host="a", file="b").idempotent) == (True, False)


def test_a_dump_goes_to_a_file(
    ctx: RecordedContext, orders: Where, stored: Stored, tools: dict[str, str], tmp_path: Path
) -> None:
    stored.insert_one({"_id": 1})
    file = tmp_path / "out.gz"
    done = Dump(**orders, program=tools["mongodump"], file=str(file), arguments=["--quiet"]).run(ctx)
    assert (done.artifact, done.file, done.size) == (None, str(file), file.stat().st_size)
    assert gzip.decompress(file.read_bytes())


def test_a_tool_that_is_not_installed_says_what_to_install(ctx: RecordedContext) -> None:
    for task in (Dump(host="a", program="no-such-tool"), Restore(host="a", program="no-such-tool", file="archive")):
        (ctx.workdir / "archive").write_bytes(b"x")
        with pytest.raises(TaskFailed, match="`no-such-tool` is not installed here") as raised:
            task.run(ctx)
        assert raised.value.retryable is False
        assert "MongoDB Database Tools" in raised.value.hint


def test_a_tool_that_fails_says_why_and_leaves_no_artifact(ctx: RecordedContext, orders: Where, tmp_path: Path) -> None:
    password = "in-the:uri"
    script = '#!/bin/sh\necho half\ncat "${1#--config=}" >&2\necho >&2\necho "Failed: %s" >&2\nexit 1\n'
    wrong = program(tmp_path, "wrong", script % f"can't create session: auth error for {password}: no")
    uri = f"mongodb://me:{quote_plus(password)}@db"
    with pytest.raises(TaskFailed, match="`wrong` ended with exit code 1: Failed: can't create session") as raised:
        Dump(uri=uri, program=wrong).run(ctx)
    assert raised.value.retryable is False
    assert password not in str(raised.value) + ctx.log.text
    assert quote_plus(password) not in ctx.log.text
    lost = program(tmp_path, "lost", script % "connection closed")
    with pytest.raises(TaskFailed, match="connection closed") as raised:
        Dump(uri=uri, program=lost, file=str(tmp_path / "out")).run(ctx)
    assert raised.value.retryable is None
    assert not (tmp_path / "out").exists()
    with pytest.raises(TaskFailed, match="wrote nothing"):
        Dump(uri=uri, program=program(tmp_path, "silent", "#!/bin/sh\n")).run(ctx)


def test_documents_that_could_not_be_restored_are_a_failure(ctx: RecordedContext, tmp_path: Path) -> None:
    text = (
        "#!/bin/sh\ncat >/dev/null\necho '5 document(s) restored successfully. 2 document(s) failed to restore.' >&2\n"
    )
    (ctx.workdir / "archive").write_bytes(b"x" * 100_000)
    with pytest.raises(TaskFailed, match="2 documents could not be restored") as raised:
        Restore(host="a", program=program(tmp_path, "some", text), file="archive").run(ctx)
    assert raised.value.output.documents == 5
    (ctx.workdir / "empty").write_bytes(b"")
    with pytest.raises(TaskFailed, match="`empty` is empty"):
        Restore(host="a", program="sh", file="empty").run(ctx)


def test_cancel_ends_the_tool(ctx: RecordedContext, tmp_path: Path) -> None:
    started, ended = tmp_path / "started", tmp_path / "ended"
    text = f"#!/bin/sh\ntrap 'touch {ended}; exit 1' TERM\nmkfifo {started}.pipe\ntouch {started}\necho go >&2\nread x <{started}.pipe\n"
    task = Dump(host="a", program=program(tmp_path, "slow", text))
    original = ctx.log.info

    def info(message: str, **fields: Any) -> None:
        original(message, **fields)
        threading.Thread(target=ctx.cancel).start()

    ctx.log.info = info  # type: ignore[method-assign]
    with pytest.raises(TaskFailed):
        task.run(ctx)
    assert ended.exists()


def test_the_tools_get_the_connection_as_a_string_in_a_file(tmp_path: Path) -> None:
    from contextlib import ExitStack

    from pymongo.uri_parser import parse_uri

    with ExitStack() as files:
        where = Connection(
            host=["a", "b:2"], port=1, user="m e", password="p@ss/w", auth="scram_sha_256", replica_set="rs",
            auth_database="users", tls_ca="-----BEGIN CERTIFICATE-----\n", tls_certificate_password="key-word",
            tls_certificate="-----BEGIN CERTIFICATE-----\n",
        )  # fmt: skip
        made = tool_settings(where, files)
        parsed = parse_uri(made["uri"], validate=False, warn=False)
        assert parsed["nodelist"] == [("a", 1), ("b", 2)]
        assert (parsed["username"], parsed["password"]) == ("m e", "p@ss/w")
        options = {name.lower(): value for name, value in parsed["options"].items()}
        assert (options["authsource"], options["replicaset"]) == ("users", "rs")
        assert Path(str(options["tlscafile"])).read_text().startswith("-----BEGIN")
        assert made["sslPEMKeyPassword"] == "key-word"
        assert "key-word" not in made["uri"]
        uri = Connection(uri="mongodb://me:word@h/shop?retryWrites=true&authSource=other", tls=True)
        again = tool_settings(uri, files)["uri"]
        assert again.startswith("mongodb://me:word@h/?retryWrites=true&authSource=other")
        assert "tls=true" in again
        # The database of a connection string is where its user logs in, and not what is dumped.
        assert "authSource=shop" in tool_settings(Connection(uri="mongodb://me:word@h/shop"), files)["uri"]
        assert "authSource" not in tool_settings(Connection(host="h"), files)["uri"]
        external = Connection(host="h", auth="aws", user="id", password="key", aws_session_token="tok")
        assert "authMechanismProperties=AWS_SESSION_TOKEN%3Atok" in tool_settings(external, files)["uri"]


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValidationError, match="need `database`"):
        Dump(host="a", collection="b")
    with pytest.raises(ValidationError, match="leave out `database`"):
        Dump(host="a", database="b", oplog=True)
    with pytest.raises(ValidationError, match="absolute path"):
        Dump(host="a", file="b")


def test_the_real_tools_dump_and_restore(ctx: RecordedContext, real_mongodb_uri: str) -> None:
    from pymongo import MongoClient

    if shutil.which("mongodump") is None or shutil.which("mongorestore") is None:
        pytest.skip("needs the MongoDB Database Tools")
    with MongoClient[Any](real_mongodb_uri) as client:
        client.drop_database("test_dump")
        client["test_dump"]["orders"].insert_many([{"_id": number} for number in range(100)])
        done = Dump(uri=real_mongodb_uri, database="test_dump").run(ctx)
        assert (done.documents, done.artifact is not None) == (100, True)
        client.drop_database("test_dump")
        assert done.artifact is not None
        assert Restore(uri=real_mongodb_uri, file=done.artifact).run(ctx).documents == 100
        assert client["test_dump"]["orders"].count_documents({}) == 100
        client.drop_database("test_dump")
