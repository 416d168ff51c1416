"""`rota flows`: deploy, list, show, diff, export, delete."""

from __future__ import annotations

import pytest

from tests.core.cli.calls import HELLO, Rota


@pytest.fixture
def deployed(rota: Rota) -> Rota:
    """`rota` with two revisions of team/hello."""
    rota.ok("flows", "deploy", "hello.yaml")
    rota.write("hello.yaml", HELLO.replace("hello, {{", "good day, {{"))
    rota.ok("flows", "deploy", "hello.yaml")
    return rota


def test_a_change_is_a_new_revision_and_no_change_is_none(rota: Rota) -> None:
    assert rota.ok("flows", "deploy", "hello.yaml").out == "team/hello  revision 1\n"
    assert rota.ok("flows", "deploy", "hello.yaml").out == "team/hello  revision 1, unchanged\n"
    rota.write("hello.yaml", HELLO.replace("world", "everybody"))
    found = rota.ok("flows", "deploy", "hello.yaml", "--json").json
    assert found == {
        "deployed": [{"namespace": "team", "id": "hello", "revision": 2, "changed": True, "file": "hello.yaml"}]
    }


def test_with_an_error_in_one_flow_none_is_deployed(rota: Rota) -> None:
    rota.write("flows/good.yaml", HELLO)
    rota.write("flows/bad.yaml", "id: bad\ntasks:\n  - {id: say, type: lgo}\n")
    rota.write("flows/worse.yaml", "id: worse\ntasks: []\nnonsense: 1\n")
    result = rota("flows", "deploy", "flows")
    assert result.code == 2
    assert "flows/bad.yaml:3:" in result.err
    assert "flows/worse.yaml:" in result.err
    assert rota.ok("flows", "list", "--json").json == {"flows": []}


def test_flows_can_be_deployed_to_another_namespace(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml", "--namespace", "a.b")
    rota.ok("flows", "deploy", "hello.yaml")
    names = [(flow["namespace"], flow["id"]) for flow in rota.ok("flows", "list", "--json").json["flows"]]
    assert names == [("a.b", "hello"), ("team", "hello")]
    assert "team" not in rota.ok("flows", "list", "--namespace", "a").out


def test_an_empty_list_says_what_is_next(rota: Rota) -> None:
    result = rota.ok("flows", "list")
    assert (result.out, result.err) == ("", "no flow is deployed: `rota flows deploy FILE`\n")


def test_show_prints_the_source_and_the_revisions(deployed: Rota) -> None:
    result = deployed.ok("flows", "show", "team/hello")
    assert "good day" in result.out
    assert "revision 2" in result.err
    assert "good day" not in deployed.ok("flows", "show", "team/hello", "--revision", "1").out


def test_show_as_json_has_stable_keys(deployed: Rota) -> None:
    found = deployed.ok("flows", "show", "team/hello", "--json").json
    assert list(found) == [
        "namespace",
        "id",
        "revision",
        "author",
        "checksum",
        "files",
        "created_at",
        "source",
        "revisions",
    ]
    assert [one["revision"] for one in found["revisions"]] == [2, 1]


@pytest.mark.parametrize("name", ["hello", "team/nothing", "team/", "a/b/c"])
def test_a_flow_that_is_not_there_is_wrong_use(deployed: Rota, name: str) -> None:
    assert deployed("flows", "show", name).code == 2


def test_diff_compares_a_file_with_what_is_deployed(deployed: Rota) -> None:
    assert deployed.ok("flows", "diff", "hello.yaml").err == "nothing differs\n"
    deployed.write("hello.yaml", HELLO)
    out = deployed.ok("flows", "diff", "hello.yaml").out
    assert "--- team/hello revision 2\n+++ hello.yaml\n" in out
    assert '+  - {id: greet, type: log, message: "hello, {{ inputs.name }}"}' in out


def test_diff_of_a_flow_that_is_not_deployed_is_all_of_it(rota: Rota) -> None:
    found = rota.ok("flows", "diff", "hello.yaml", "--json").json
    assert (found["flow"], found["changed"]) == ("team/hello", True)
    assert found["diff"].startswith("--- nothing is deployed\n")


def test_diff_compares_revisions(deployed: Rota) -> None:
    out = deployed.ok("flows", "diff", "team/hello").out
    assert "--- team/hello revision 1\n+++ team/hello revision 2\n" in out
    assert deployed("flows", "diff", "team/hello", "--to", "1").code == 2


def test_diff_tells_of_files_beside_the_flow(rota: Rota) -> None:
    rota.write("hello.yaml", HELLO + "files: [note.txt]\n")
    rota.write("note.txt", "one")
    rota.ok("flows", "deploy", "hello.yaml")
    rota.write("note.txt", "two")
    assert rota.ok("flows", "diff", "hello.yaml").out == "the file note.txt differs\n"


def test_export_writes_the_flow_with_its_files(rota: Rota) -> None:
    rota.write("hello.yaml", HELLO + "files: [parts/note.txt]\n")
    rota.write("parts/note.txt", "one")
    rota.ok("flows", "deploy", "hello.yaml")
    rota.ok("flows", "export", "-o", "out")
    assert (rota.path / "out/team/hello/flow.yaml").read_text() == HELLO + "files: [parts/note.txt]\n"
    assert (rota.path / "out/team/hello/parts/note.txt").read_text() == "one"
    assert rota.ok("flows", "diff", "out/team/hello/flow.yaml").err == "nothing differs\n"


def test_export_writes_over_nothing_unless_told_to(deployed: Rota) -> None:
    deployed.write("out/team/hello/flow.yaml", "mine")
    result = deployed("flows", "export", "team/hello", "-o", "out")
    assert result.code == 2
    assert "is there already" in result.err
    deployed.ok("flows", "export", "team/hello", "-o", "out", "--force")
    assert "good day" in (deployed.path / "out/team/hello/flow.yaml").read_text()


def test_delete_asks_and_needs_yes_where_nobody_can_be_asked(deployed: Rota) -> None:
    result = deployed.program("flows", "delete", "team/hello")
    assert result.returncode == 2
    assert "hint: add --yes" in result.stderr
    assert deployed.ok("flows", "delete", "team/hello", "--yes").out == "deleted team/hello\n"
    assert deployed("flows", "show", "team/hello").code == 2
    assert deployed("flows", "delete", "team/hello", "--yes").code == 2
