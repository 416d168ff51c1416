"""`rota kv`, `locks`, `keys`, `migrate`, `purge`, `plugins` and `completion`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.core.cli.calls import SLOW, Rota, wait_for
from tests.core.dists import Dists


def test_a_value_is_text_unless_it_is_said_to_be_json(rota: Rota) -> None:
    rota.ok("kv", "set", "team", "number", "7.10")
    rota.ok("kv", "set", "team", "data", '{"a": [1, 2]}', "--as", "json")
    assert rota.ok("kv", "get", "team", "number").out == "7.10\n"
    assert rota.ok("kv", "get", "team", "number", "--json").json == "7.10"
    assert rota.ok("kv", "get", "team", "data").json == {"a": [1, 2]}
    assert rota("kv", "set", "team", "data", "{", "--as", "json").code == 2


def test_a_value_can_come_from_stdin(rota: Rota) -> None:
    assert rota.program("kv", "set", "team", "note", "-", stdin="two\nlines").returncode == 0
    assert rota.ok("kv", "get", "team", "note").out == "two\nlines\n"


def test_values_are_listed_by_namespace_and_prefix(rota: Rota) -> None:
    rota.ok("kv", "set", "team", "a/one", "1")
    rota.ok("kv", "set", "team", "b/two", "2", "--ttl", "1h")
    found = rota.ok("kv", "list", "team", "--json").json
    assert [(row["key"], row["value"], row["expires_at"] is None) for row in found["values"]] == [
        ("a/one", "1", True),
        ("b/two", "2", False),
    ]
    assert "a/one" not in rota.ok("kv", "list", "team", "--prefix", "b/").out
    assert rota.ok("kv", "list", "other").err == "namespace `other` has no such keys\n"


def test_a_key_that_is_not_there_is_wrong_use(rota: Rota) -> None:
    rota.ok("kv", "set", "team", "gone", "1")
    rota.ok("kv", "delete", "team", "gone")
    assert rota("kv", "get", "team", "gone").code == 2
    assert rota("kv", "delete", "team", "gone").code == 2
    assert rota("kv", "set", "team", "x", "1", "--ttl", "soon").code == 2


def test_locks_show_who_holds_them_and_can_be_taken_away(rota: Rota) -> None:
    assert rota.ok("locks", "list").err == "nobody holds a lock\n"
    rota.write("slow.yaml", SLOW.replace("command: sleep 300", "command: sleep 300, lock: the/door"))
    with rota.begin("run", "slow.yaml") as process:
        wait_for(process, "nap: running")
        [lock] = rota.ok("locks", "list", "--json").json["locks"]
        assert (lock["key"], lock["held"], lock["task_run"], lock["flow"]) == ("the/door", True, "nap", "slow")
        assert "the/door" in rota.ok("locks", "list", "the/door").out
        assert rota.program("locks", "release", str(lock["id"])).returncode == 2
        rota.ok("locks", "release", str(lock["id"]), "--yes")
        assert rota.ok("locks", "list", "--json").json == {"locks": []}
        process.terminate()
        process.communicate(timeout=60)
    assert rota("locks", "release", "99", "-y").code == 2


def test_keys_are_rotated_and_what_was_encrypted_can_still_be_read(rota: Rota) -> None:
    rota.ok("init")
    rota.write("hidden.yaml", "id: hidden\ninputs:\n  - {id: word, type: secret}\n"
               "tasks:\n  - {id: use, type: shell, command: 'test $WORD = abracadabra', env: {WORD: '{{ inputs.word }}'}}\n")  # fmt: skip
    execution = rota.ok("run", "hidden.yaml", "-i", "word=abracadabra", "--json").json["id"]
    before = (rota.path / ".rota/secret.key").read_text()
    assert rota.ok("keys", "rotate").out.startswith("encrypted 1 values")
    after = (rota.path / ".rota/secret.key").read_text()
    assert after.split()
    assert not set(after.split()) & set(before.split())
    rota.ok("executions", "replay", execution)


def test_migrating_what_is_up_to_date_says_so(rota: Rota) -> None:
    rota.ok("run", "hello.yaml")
    assert rota.ok("migrate").out.startswith("the database is up to date: revision ")


def test_purge_removes_what_is_old_and_keeps_the_rest(rota: Rota) -> None:
    rota.ok("run", "hello.yaml")
    assert rota.ok("purge", "--older-than", "1d", "--yes").out.startswith("removed 0 executions")
    assert rota.ok("purge", "--older-than", "0s", "--dry-run").out == "1 executions would be removed\n"
    assert rota.ok("purge", "--older-than", "0s", "--state", "failed", "--yes", "--json").json["executions"] == 0
    assert rota.ok("purge", "--older-than", "0s", "--namespace", "team", "--yes", "--json").json["executions"] == 1
    assert rota.ok("executions", "list", "--json").json["executions"] == []


def test_purge_needs_an_age_and_a_yes(rota: Rota) -> None:
    assert rota("purge", "--yes").code == 2
    assert rota("purge", "--older-than", "old", "--yes").code == 2
    assert rota.program("purge", "--older-than", "1d").returncode == 2


@pytest.fixture
def dists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dists:
    return Dists(tmp_path / "site", monkeypatch)


def test_plugins_are_listed_with_what_is_broken_and_why(rota: Rota, dists: Dists) -> None:
    dists.install("wonky", "raise RuntimeError('out of order')")
    out = rota.ok("plugins").out
    assert out.startswith("core  rota ")
    assert "  task type: " in out
    assert "wonky  rota-wonky 1.0\n  broken: RuntimeError: out of order" in out
    found = {plugin["name"]: plugin for plugin in rota.ok("plugins", "list", "--json").json["plugins"]}
    assert "shell" in found["core"]["types"]["task type"]
    assert found["wonky"]["broken"].startswith("RuntimeError: out of order")


def test_a_type_shows_its_fields_output_and_example(rota: Rota) -> None:
    out = rota.ok("plugins", "show", "shell").out
    assert out.startswith("shell: task type\n")
    for part in ("fields:", "  command (", "required)", "output: ", "  exit_code (", "example:", "type: shell"):
        assert part in out


def test_a_name_of_two_kinds_shows_both(rota: Rota) -> None:
    kinds = [info["kind"] for info in rota.ok("plugins", "show", "log", "--json").json]
    assert kinds == ["task type", "alert sink"]


def test_an_unknown_type_says_what_was_meant(rota: Rota) -> None:
    result = rota("plugins", "show", "shel")
    assert result.code == 2
    assert "did you mean `shell`?" in result.err


def test_a_new_plugin_is_written_once(rota: Rota) -> None:
    result = rota.ok("plugins", "new", "bank")
    assert "next: pip install -e rota-bank && rota plugins" in result.out
    assert (rota.path / "rota-bank/pyproject.toml").is_file()
    assert rota("plugins", "new", "bank").code == 2
    assert rota("plugins", "new", "Bad Name").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion_script(rota: Rota, shell: str) -> None:
    assert "_ROTA_COMPLETE" in rota.ok("completion", shell).out
    assert rota("completion", "cmd.exe").code == 2


def completed(rota: Rota, words: str) -> list[str]:
    """What a shell would offer for the last of `words`."""
    count = str(len(words.split(" ")) - 1)
    run = rota.program(env={"_ROTA_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count})
    assert run.stderr == ""
    return [line.partition(",")[2] for line in run.stdout.splitlines() if line]


def test_commands_flows_executions_and_types_are_completed(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    execution = rota.ok("run", "hello.yaml", "--json").json["id"]
    assert completed(rota, "rota ex") == ["executions"]
    assert "team/hello" in completed(rota, "rota run te")
    assert completed(rota, f"rota executions show {execution[:4]}") == [execution[:16]]
    assert completed(rota, "rota plugins show she") == ["shell"]


def test_completing_makes_no_database(rota: Rota) -> None:
    assert completed(rota, "rota executions show 0") == []
    assert not (rota.path / ".rota").exists()


def test_the_scaffolding_of_a_shell_runs(rota: Rota) -> None:
    script = rota.ok("completion", "bash").out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=60)
