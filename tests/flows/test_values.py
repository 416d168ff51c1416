"""What expressions see: outputs from where they stand outward, names, functions, files, defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.flows.harness import Rota


def test_values_keep_their_types_and_are_never_rendered_again(rota: Rota) -> None:
    run = rota.run(
        """
        inputs: [{id: text, type: string}]
        tasks:
          - id: a
            type: output
            values: {n: 7, version: "7.10", odd: "{{ inputs.text }}", list: "{{ [1, 2.5, none] }}", t: "n={{ 3 }}"}
          - id: b
            type: output
            values: {n: "{{ outputs.a.n }}", version: "{{ outputs.a.version }}", odd: "{{ outputs.a.odd }}"}
        outputs: {all: "{{ outputs.b }}", list: "{{ outputs.a.list }}", t: "{{ outputs.a.t }}"}
        """,
        {"text": "{{ 1 + 1 }}"},
    )
    assert run.state == "success"
    assert run.outputs == {
        "all": {"n": 7, "version": "7.10", "odd": "{{ 1 + 1 }}"},
        "list": [1, 2.5, None],
        "t": "n=3",
    }


def test_transparent_scopes_show_what_ran_in_them_and_iterations_do_not(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: seq
            type: sequential
            tasks:
              - {id: inner, type: output, values: {x: 1}}
          - id: par
            type: parallel
            tasks:
              - {id: left, type: output, values: {x: 2}}
              - {id: right, type: output, needs: [left], values: {x: "{{ outputs.left.x + 1 }}"}}
          - id: choice
            type: if
            condition: outputs.inner.x == 1
            then:
              - {id: yes, type: output, values: {x: 4}}
            else:
              - {id: no, type: output, values: {x: 5}}
          - id: case
            type: switch
            value: "{{ outputs.yes.x }}"
            cases:
              "4":
                - {id: four, type: output, values: {x: 6}}
          - id: each
            type: foreach
            items: [10, 20]
            tasks:
              - {id: own, type: output, values: {x: "{{ item + outputs.inner.x }}"}}
              - {id: next, type: output, values: {x: "{{ outputs.own.x * 2 }}"}}
            collect: {x: outputs.next.x}
        outputs:
          seen: "{{ [outputs.inner.x, outputs.left.x, outputs.right.x, outputs.yes.x, outputs.four.x] }}"
          no: "{{ outputs.no.x | default('none') }}"
          own: "{{ outputs.own.x | default('hidden') }}"
          rows: "{{ outputs.each.rows | map(attribute='x') | list }}"
        """)
    assert run.state == "success", run.problem
    assert run.outputs == {"seen": [1, 2, 3, 4, 6], "no": "none", "own": "hidden", "rows": [22, 42]}
    assert run.states["no"] == "not_started" if "no" in run.states else True


def test_inner_iterations_see_outward_and_shadow(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: outer
            type: fleet
            targets: [{name: a, ports: [1, 2]}, {name: b, ports: [3]}]
            tasks:
              - {id: mine, type: output, values: {n: "{{ target.name }}"}}
              - id: inner
                type: foreach
                items: "{{ target.ports }}"
                key: "p{{ item }}"
                tasks:
                  - id: one
                    type: output
                    values: {all: "{{ outputs.mine.n }}-{{ target.name }}-{{ item }}-{{ index }}-{{ key }}"}
                collect: {all: outputs.one.all}
            collect: {rows: outputs.inner.rows | map(attribute='all') | list}
        outputs: {rows: "{{ outputs.outer.rows | map(attribute='rows') | list }}"}
        """)
    assert run.state == "success", run.problem
    assert run.outputs == {"rows": [["a-a-1-0-p1", "a-a-2-1-p2"], ["b-b-3-0-p3"]]}


def test_outputs_of_what_was_skipped_or_never_reached_are_undefined(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: off, type: output, disabled: true, values: {x: 1}}
          - {id: when, type: output, when: "false", values: {x: 1}}
          - {id: each, type: foreach, when: false, items: [1], tasks: [{id: l, type: log, message: x}]}
          - {id: seq, type: sequential, when: "{{ 1 > 2 }}", tasks: [{id: in_it, type: output, values: {x: 1}}]}
          - id: said
            type: output
            values:
              all: "{{ [outputs.off is defined, outputs.when is defined, outputs.each is defined,
                        outputs.in_it is defined] }}"
              states: "{{ [tasks.off.state, tasks.when.state, tasks.each.state, tasks.seq.state] }}"
        outputs: {said: "{{ outputs.said }}"}
        """)
    assert run.state == "success", run.problem
    assert run.outputs == {"said": {"all": [False] * 4, "states": ["skipped"] * 4}}
    assert run.states == {
        "off": "skipped", "when": "skipped", "each": "skipped", "seq": "skipped", "said": "success",
    }  # fmt: skip


def test_a_failed_task_keeps_its_partial_output(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: half, type: probe.flaky, failures: 9, partial: {done: 3}, allow_failure: true}
          - {id: sh, type: shell, command: "echo n=7 >> $ROTA_OUTPUT; exit 3", allow_failure: true}
        outputs: {half: "{{ outputs.half.done }}", n: "{{ outputs.sh.n }}", code: "{{ outputs.sh.exit_code }}"}
        """)
    assert run.state == "warning"
    assert run.outputs == {"half": 3, "n": "7", "code": 3}


def test_the_output_of_a_later_attempt_replaces_that_of_an_earlier_one(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: a, type: probe.flaky, failures: 1, partial: {half: true}, value: null, retry: {attempts: 2}}
        outputs: {a: "{{ outputs.a is none }}"}
        """)
    assert run.state == "success"
    assert run.output("a") is None
    assert run.outputs == {"a": True}


def test_set_changes_variables_from_there_on(rota: Rota) -> None:
    run = rota.run("""
        variables: {bucket: one, other: kept, made: "{{ inputs.env }}-x"}
        inputs: [{id: env, type: string, default: prod}]
        tasks:
          - {id: before, type: output, values: {b: "{{ vars.bucket }}"}}
          - {id: change, type: set, values: {bucket: "two-{{ vars.bucket }}", new: 1}}
          - {id: again, type: set, values: {bucket: "three-{{ vars.bucket }}"}}
        outputs: {b: "{{ outputs.before.b }}", all: "{{ vars }}"}
        """)
    assert run.state == "success", run.problem
    assert run.outputs == {
        "b": "one",
        "all": {"bucket": "three-two-one", "other": "kept", "new": 1, "made": "prod-x"},
    }


def test_set_in_an_iteration_holds_there(rota: Rota) -> None:
    run = rota.run("""
        variables: {x: outside}
        tasks:
          - id: each
            type: foreach
            items: [1, 2]
            tasks:
              - {id: change, type: set, when: item == 1, values: {x: "inside-{{ item }}"}}
              - {id: see, type: output, values: {x: "{{ vars.x }}"}}
            collect: {x: outputs.see.x}
        outputs: {rows: "{{ outputs.each.rows | map(attribute='x') | list }}", x: "{{ vars.x }}"}
        """)
    assert run.outputs == {"rows": ["inside-1", "outside"], "x": "outside"}


def test_names_of_the_execution_are_there(rota: Rota) -> None:
    run = rota.run(
        """
        namespace: bank.core
        timezone: Europe/Paris
        labels: {team: "{{ inputs.team }}"}
        inputs: [{id: team, type: string}]
        tasks:
          - id: see
            type: output
            values:
              flow: "{{ flow.id }}/{{ flow.namespace }}"
              execution: "{{ [execution.id, execution.state, execution.run] }}"
              started: "{{ execution.started_at }}"
              task: "{{ task.id }}"
              trigger: "{{ [trigger.id, trigger.type] }}"
              date: "{{ trigger.date }}"
              now: "{{ now() }}"
              label: "{{ labels.team }}"
              day: "{{ '2026-07-01T00:00:00' | to_datetime | date('%z') }}"
              naive: "{{ now() | date('%Z') }}{{ trigger.date | date('%Z') }}{{ execution.started_at | date('%Z') }}"
        outputs: {see: "{{ outputs.see }}"}
        """,
        {"team": "sre"},
    )
    assert run.state == "success", run.problem
    see = run.outputs["see"]
    assert see["flow"] == f"{run.row['flow']}/bank.core"
    assert see["execution"] == [run.id, "running", 1]
    assert (see["task"], see["trigger"], see["label"]) == ("see", ["manual", "manual"], "sre")
    assert (see["day"], see["naive"]) == ("+0200", see["naive"])
    assert see["naive"] in ("CETCETCET", "CESTCESTCEST")
    for name in ("started", "date", "now"):
        assert datetime.fromisoformat(see[name]).tzinfo is not None
    assert run.row["labels"] == {"team": "sre"}


def test_kv_read_and_file_give_what_is_stored(rota: Rota) -> None:
    (rota.folder / "greeting.txt").write_text("hello {{ not.rendered }}")
    rota.app.values.set("default", "known", {"a": [1]})
    run = rota.run("""
        files: [greeting.txt]
        tasks:
          - {id: made, type: probe.store, text: stored}
          - {id: put, type: kv.set, key: later, value: 5}
          - {id: back, type: probe.store, artifact: "{{ outputs.made.file }}"}
          - id: see
            type: output
            values:
              kv: "{{ kv('known').a[0] + kv('missing', 2) + kv('later') }}"
              file: "{{ file('greeting.txt') }}"
              read: "{{ read(outputs.made.file) }}"
          - {id: sh, type: shell, command: "cat greeting.txt; stat -c %a greeting.txt"}
        outputs: {see: "{{ outputs.see }}", back: "{{ outputs.back }}", sh: "{{ outputs.sh.stdout }}"}
        """)
    assert run.state == "success", (run.problem, run.lines)
    text = "hello {{ not.rendered }}"
    assert run.outputs == {"see": {"kv": 8, "file": text, "read": "stored"}, "back": "stored", "sh": f"{text}400\n"}


def test_a_missing_file_or_name_fails_the_task_with_its_name(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: file, type: log, message: "{{ file('nope.txt') }}", allow_failure: true, retry: {attempts: 5}}
          - {id: name, type: log, message: "{{ outputs.nothing.x }}", allow_failure: true}
        """)
    assert run.state == "warning"
    assert "no file `nope.txt`" in run.error("file")
    assert "outputs.nothing" in run.error("name")
    assert run.rows["file"]["attempt"] == 1


def test_defaults_of_flow_and_namespace_are_merged(make_rota: Callable[..., Rota]) -> None:
    rota = make_rota(
        namespaces={
            "a": {"variables": {"x": "parent", "y": "parent"}, "labels": {"from": "a"}},
            "a.b": {"variables": {"y": "child"}, "defaults": {"log": {"level": "error"}, "probe.*": {"failures": 0}}},
        }
    )
    run = rota.run("""
        namespace: a.b
        variables: {z: own}
        defaults:
          probe.flaky: {value: "{{ item }}!"}
        tasks:
          - {id: say, type: log, message: "{{ vars.x }} {{ vars.y }} {{ vars.z }}"}
          - id: each
            type: foreach
            items: [i]
            tasks:
              - {id: f, type: probe.flaky}
            collect: {f: outputs.f}
        outputs: {f: "{{ outputs.each.rows[0].f }}"}
        """)
    assert run.state == "success", run.problem
    assert run.outputs == {"f": "i!"}
    line = rota.app.executions.logs(run.id)[0]
    assert (line["level"], line["message"]) == ("error", "parent child own")
    assert run.row["labels"] == {"from": "a"}


def test_when_decides_on_leaves_and_scopes(rota: Rota) -> None:
    run = rota.run("""
        inputs: [{id: n, type: int, default: 3}]
        tasks:
          - {id: leaf, type: log, when: inputs.n > 2, message: x}
          - {id: braces, type: log, when: "{{ inputs.n > 5 }}", message: x}
          - {id: scope, type: sequential, when: inputs.n == 3, tasks: [{id: a, type: log, message: x}]}
          - {id: wrong, type: log, when: "'false'", message: x, allow_failure: true}
          - id: wrong_scope
            type: sequential
            when: inputs.n
            tasks: [{id: never, type: log, message: x}]
            allow_failure: true
          - {id: sleep, type: sleep, when: inputs.n > 5, duration: 1h}
        """)
    assert run.state == "warning"
    assert run.states == {
        "leaf": "success", "braces": "skipped", "scope": "success", "a": "success", "wrong": "warning",
        "wrong_scope": "warning", "sleep": "skipped",
    } | ({"never": "not_started"} if "never" in run.states else {})  # fmt: skip
    assert "must give true or false" in run.error("wrong")
    assert "must give true or false" in run.error("wrong_scope")


def test_inputs_of_every_type_arrive_typed(rota: Rota, tmp_path: Any) -> None:
    path = tmp_path / "given.txt"
    path.write_text("content")
    from rota.flows.given import from_command_line

    run = rota.run(
        """
        inputs:
          - {id: n, type: int}
          - {id: d, type: date}
          - {id: at, type: datetime}
          - {id: t, type: time}
          - {id: long, type: duration}
          - {id: many, type: list, item: int}
          - {id: some, type: multiselect, values: [a, b, c]}
          - {id: f, type: file}
          - {id: data, type: json}
          - {id: later, type: string, default: "{{ inputs.n + 1 }}!"}
          - {id: none, type: string, default: null}
        tasks:
          - {id: read, type: probe.store, artifact: "{{ inputs.f }}"}
          - id: see
            type: output
            values:
              all: "{{ [inputs.n + 1, inputs.d.year, inputs.at.hour, inputs.t.minute, inputs.long.total_seconds(),
                        inputs.many, inputs.some, inputs.data.a, inputs.later, inputs.none is none] }}"
              text: "{{ read(inputs.f) }}"
        outputs: {see: "{{ outputs.see }}", read: "{{ outputs.read }}"}
        """,
        from_command_line(
            ["n=4", "d=2026-02-03", "at=2026-02-03T04:05:06Z", "t=07:08", "long=1h30m", "many=1,2", "some=a,c",
             f"f={path}", 'data={"a": 9}']
        ),
    )  # fmt: skip
    assert run.state == "success", (run.problem, run.lines)
    assert run.outputs["see"]["all"] == [5, 2026, 4, 8, 5400.0, [1, 2], ["a", "c"], 9, "5!", True]
    assert run.outputs["see"]["text"] == run.outputs["read"] == "content"


def test_what_a_bomb_of_an_expression_does_is_fail_its_task(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: bomb, type: log, message: "{{ 'x' * 10 ** 10 }}", allow_failure: true}
          - {id: ok, type: log, message: still here}
        """)
    assert run.states == {"bomb": "warning", "ok": "success"}
    assert re.search("still here", " ".join(run.lines))
