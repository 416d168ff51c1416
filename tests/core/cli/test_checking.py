"""`rota check`, `rota plan` and `rota schema`."""

from __future__ import annotations

import json

import pytest

from tests.core.cli.calls import HELLO, Rota

WRONG = 'id: wrong\ntasks:\n  - {id: say, type: logg, message: "{{ outputs.nobody }}"}\n'


def test_a_good_flow_has_no_findings(rota: Rota) -> None:
    assert rota.ok("check", "hello.yaml").out == ""


def test_findings_name_file_line_and_column(rota: Rota) -> None:
    result = rota("check", rota.write("wrong.yaml", WRONG))
    assert result.code == 2
    assert "wrong.yaml:3:21: error[unknown-type]" in result.out
    assert "did you mean `log`?" in result.out
    assert "Traceback" not in result.err


def test_findings_of_a_file_that_does_not_load_are_findings_too(rota: Rota) -> None:
    result = rota("check", rota.write("broken.yaml", "id: broken\ntasks: [\n"))
    assert result.code == 2
    assert "broken.yaml:" in result.out


def test_all_files_are_checked_whatever_is_in_the_first(rota: Rota) -> None:
    rota.write("flows/a.yaml", "id: [\n")
    rota.write("flows/b.yaml", WRONG)
    rota.write("flows/notes.yaml", "just: notes\n")
    found = rota("check", "flows", "flows/a.yaml", "--format", "json")
    assert found.code == 2
    assert {finding["file"] for finding in found.json} == {"flows/a.yaml", "flows/b.yaml"}


def test_the_setting_names_the_flows_where_the_command_does_not(rota: Rota) -> None:
    assert rota("check").code == 2
    rota.write("rota.yaml", "home: .rota\nflows: [flows]\n")
    rota.write("flows/wrong.yaml", WRONG)
    assert "unknown-type" in rota("check").out


def test_a_folder_without_flows_is_wrong_use(rota: Rota) -> None:
    (rota.path / "none").mkdir()
    assert "there is no flow in `none`" in rota("check", "none").err


@pytest.mark.parametrize(("form", "begin"), [("github", "::error file=wrong.yaml"), ("json", "["), ("sarif", "{")])
def test_findings_come_in_the_forms_that_tools_read(rota: Rota, form: str, begin: str) -> None:
    result = rota("check", rota.write("wrong.yaml", WRONG), "--format", form)
    assert result.code == 2
    assert result.out.startswith(begin)
    if form == "sarif":
        assert result.json["version"] == "2.1.0"


def test_warnings_count_only_when_it_is_strict(rota: Rota) -> None:
    rota.write("octal.yaml", HELLO.replace("variables:", "") + "variables: {mode: 0644}\n")
    assert rota("check", "octal.yaml").code == 0
    assert rota("check", "octal.yaml", "--strict").code == 3


def test_a_plan_shows_what_would_run_and_runs_nothing(rota: Rota) -> None:
    result = rota.ok("plan", "hello.yaml", "-i", "name=Ada")
    assert "greet" in result.out
    assert "hello, Ada" in result.out
    assert rota.ok("executions", "list", "--json").json["executions"] == []


def test_a_plan_is_json_when_asked_for(rota: Rota) -> None:
    found = rota.ok("plan", "hello.yaml", "--json").json
    assert (found["namespace"], found["flow"]) == ("team", "hello")


def test_a_deployed_flow_has_a_plan_too(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml", "--namespace", "other")
    assert rota.ok("plan", "other/hello").out.startswith("other/hello\n")


@pytest.mark.parametrize("arguments", [("nowhere.yaml",), ("team/nothing",), ("hello.yaml", "--timeout", "soon")])
def test_a_plan_of_nothing_is_wrong_use(rota: Rota, arguments: tuple[str, ...]) -> None:
    assert rota("plan", *arguments).code == 2


def test_the_schema_knows_the_task_types(rota: Rota) -> None:
    schema = rota.ok("schema").json
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert '"shell"' in json.dumps(schema)


def test_the_schema_can_go_to_a_file(rota: Rota) -> None:
    result = rota.ok("schema", "-o", "flow.schema.json")
    assert result.out == ""
    assert "# yaml-language-server: $schema=flow.schema.json" in result.err
    assert json.loads((rota.path / "flow.schema.json").read_text())["$schema"]


CALLER = "id: caller\nnamespace: {namespace}\ntasks:\n  - {{id: call, type: subflow, flow: {flow}, namespace: team}}\n"


def test_a_subflow_that_is_deployed_nowhere_is_found_once_there_is_a_database(rota: Rota) -> None:
    caller = rota.write("flows/caller.yaml", CALLER.format(namespace="team", flow="hello"))
    assert rota("check", caller).code == 0, "nobody knows what is deployed"
    rota.ok("flows", "deploy", rota.write("other.yaml", HELLO.replace("id: hello", "id: other")))
    found = rota("check", caller)
    assert found.code == 2
    assert "caller.yaml:4:37: error[unknown-flow]: there is no flow `team/hello`" in found.out
    assert rota("flows", "deploy", caller).code == 2
    rota.ok("flows", "deploy", "hello.yaml")
    assert rota.ok("check", caller).out == ""


def test_flows_that_are_checked_together_know_each_other(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    caller = rota.write("one/caller.yaml", CALLER.format(namespace="team", flow="second"))
    second = rota.write("two/second.yaml", HELLO.replace("id: hello", "id: second"))
    assert "unknown-flow" in rota("check", caller).out
    assert rota.ok("check", caller, second).out == ""
    assert "team/second  revision 1" in rota.ok("flows", "deploy", caller, second).out
