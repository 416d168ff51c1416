"""The fixture `ctx`: a context that keeps what a task did with it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rota import NotFound, SecretError, TaskFailed
from rota.testing import LogLine, RecordedContext


def test_what_a_task_says_is_kept_in_order(ctx: RecordedContext) -> None:
    ctx.log.info("one", rows=3)
    ctx.log.error("two")
    ctx.metric("bytes", 3, disk="a")
    ctx.progress(1, 2)
    ctx.output({"so": "far"})
    assert ctx.log.lines == [LogLine("info", "one", {"rows": 3}), LogLine("error", "two")]
    assert ctx.log.text == "one\ntwo"
    assert (ctx.metrics, ctx.progresses, ctx.outputs) == ([("bytes", 3, {"disk": "a"})], [(1, 2)], [{"so": "far"}])


def test_secrets_are_those_that_the_test_gave(ctx: RecordedContext) -> None:
    ctx.secrets["db#password"] = "hunter2"
    assert ctx.secret("db#password").get_secret_value() == "hunter2"
    with pytest.raises(SecretError, match="there is no secret `db#user`"):
        ctx.secret("db#user")


def test_processes_are_real_and_run_in_the_work_folder(ctx: RecordedContext) -> None:
    result = ctx.process(["sh", "-c", "pwd; echo $X; echo e >&2; exit 3"], env={"X": "1"})
    assert (result.exit_code, result.stdout, result.stderr) == (3, f"{ctx.workdir}\n1\n", "e\n")
    assert sorted(line.level for line in ctx.log.lines) == ["info", "info", "warning"]
    with pytest.raises(TaskFailed, match="no-such-program"):
        ctx.process(["no-such-program"])


def test_cancel_ends_a_process_and_calls_what_asked_for_it(ctx: RecordedContext) -> None:
    called: list[str] = []
    ctx.on_cancel(lambda: called.append("before"))
    started = threading.Event()

    def cancel() -> None:
        started.wait()
        ctx.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    result = ctx.process(["sh", "-c", "echo go; exec sleep 600"], on_line=lambda *_: started.set())
    thread.join()
    ctx.on_cancel(lambda: called.append("after"))
    assert result.exit_code == -15
    assert called == ["before", "after"]
    assert ctx.cancelled.is_set()


def test_artifacts_are_saved_written_opened_and_fetched(ctx: RecordedContext, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    saved = ctx.artifacts.save(tmp_path / "a.txt")
    assert (saved.name, saved.size) == ("a.txt", 3)
    assert saved.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with ctx.artifacts.writer("b") as writer:
        writer.write(b"x")
    assert ctx.artifacts.fetch(writer.artifact, tmp_path / "c").read_bytes() == b"x"
    assert ctx.artifacts.read(saved.uri) == b"abc"
    for uri in ("test:///77", "test:///../a.txt", "x"):
        with pytest.raises(NotFound):
            ctx.artifacts.open(uri)


def test_nothing_is_left_of_an_artifact_whose_writing_failed(ctx: RecordedContext) -> None:
    def write() -> None:
        with ctx.artifacts.writer("b") as writer:
            writer.write(b"x")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    with pytest.raises(NotFound):
        ctx.artifacts.open("test:///1")


def test_keys_and_state_hold_json_and_not_the_objects_themselves(ctx: RecordedContext) -> None:
    value = {"a": [1]}
    ctx.kv.set("k", value)
    ctx.state["s"] = value
    value["a"].append(2)
    assert ctx.kv.get("k") == ctx.state["s"] == {"a": [1]}
    assert (ctx.kv.keys("k"), ctx.kv.delete("k"), ctx.kv.delete("k"), ctx.kv.keys()) == (["k"], True, False, [])
    for store in (ctx.kv.set, ctx.state.__setitem__):
        with pytest.raises(TypeError):
            store("bad", object())
    del ctx.state["s"]
    assert (dict(ctx.state), len(ctx.state)) == ({}, 0)


def test_a_client_is_opened_once_and_closed_at_the_end(tmp_path: Path) -> None:
    ctx, events = RecordedContext(tmp_path), list[str]()

    def opened() -> str:
        events.append("open")
        return "client"

    for _ in range(2):
        with ctx.client("key", opened, lambda _: events.append("close")) as client:
            assert client == "client"
    ctx.close()
    assert events == ["open", "close"]
