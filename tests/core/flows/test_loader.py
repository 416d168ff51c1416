"""A flow is loaded whole, or refused with every fault in the order of the text."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rota.errors import FlowError, NotFound, UsageError
from rota.flows.loader import LoadedFlow, load_flow, parse_flow
from rota.flows.models import Fleet, If, Parallel, Switch, TaskStep
from rota.flows.templates.marks import RawValue

EXAMPLE = """\
id: nightly-backup
namespace: data.mongo
inputs:
  - {id: env, type: select, values: [prod, staging], default: prod}
variables: {bucket: backups}
files: [report.py]
defaults:
  ssh.*: {user: backup, private_key: "{{ secret('ssh/backup#private_key') }}"}
triggers:
  - {id: nightly, type: schedule, cron: "0 2 * * *", timezone: Europe/Paris, on_missed: last}
concurrency: {limit: 1, key: "{{ inputs.env }}", on_limit: queue}
tasks:
  - id: clusters
    type: http.request
    url: "{{ secret('cmdb#url') }}/clusters?env={{ inputs.env }}"
  - id: backup
    type: fleet
    targets: outputs.clusters.json
    select: target.state == 'up'
    key: "{{ target.name }}"
    lock: "mongo/{{ target.name }}"
    rollout: {canary: 1, batch: 20%, max_parallel: 30, max_failures: 10%}
    tasks:
      - id: dump
        type: ssh.command
        host: "{{ target.host }}"
        command: mongodump --archive --gzip
        stdout: artifact
        timeout: 2h
        retry: {attempts: 3, delay: 30s, backoff: exponential}
      - id: store
        type: objectstore.put
        uri: "s3://{{ vars.bucket }}/{{ trigger.date | date('%F') }}/{{ target.name }}.gz"
        file: "{{ outputs.dump.stdout }}"
    collect: {bytes: outputs.store.size, sha256: outputs.store.sha256}
finally:
  - id: report
    type: python
    script: report.py
    input: {rows: "{{ outputs.backup.rows | default([]) }}", state: "{{ tasks.backup.state }}"}
"""


def flow(body: str) -> LoadedFlow:
    return parse_flow(f"id: f\n{body}")


def faults(source: str) -> list[str]:
    with pytest.raises(FlowError) as caught:
        parse_flow(source, "f.yaml")
    return [str(finding).removeprefix("f.yaml:") for finding in caught.value.findings]


def fault(body: str) -> str:
    (one,) = faults(f"id: f\n{body}")
    return one


def test_the_example_of_the_language_loads(tmp_path: Path) -> None:
    (tmp_path / "report.py").write_text("print(1)\n")
    file = tmp_path / "flow.yaml"
    file.write_text(EXAMPLE)
    loaded = load_flow(file)
    backup = loaded.flow.tasks[1]
    assert isinstance(backup, Fleet)
    dump = backup.tasks[0]
    assert isinstance(dump, TaskStep)
    assert dump.timeout == timedelta(hours=2)
    assert dump.fields == {
        "host": "{{ target.host }}",
        "command": "mongodump --archive --gzip",
        "stdout": "artifact",
        "user": "backup",
        "private_key": "{{ secret('ssh/backup#private_key') }}",
    }
    assert backup.rollout.batch == "20%"
    assert loaded.flow.finally_[0].id == "report"
    assert [one.name for one in loaded.files] == ["report.py"]
    assert loaded.warnings == ()
    assert loaded.source == EXAMPLE
    assert str(loaded.places.value(("tasks", 1, "tasks", 0, "timeout"))) == f"{file}:29:18"
    assert str(loaded.places.value(("tasks", 1, "tasks", 0, "user"))) == f"{file}:8:17"


def test_every_fault_is_told_at_once_in_the_order_of_the_text() -> None:
    found = faults("""\
id: My Flow
nmaespace: x
tasks:
  - id: a
    type: log
    retry: {attempts: lots}
  - id: a
    type: log
inputs:
  - {id: n, type: itn}
""")
    assert [one.split(":")[0] for one in found] == ["1", "2", "6", "7", "10"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "tasks: []\nnmaespace: x",
            "3:1: error[unknown-key]: the flow has no key `nmaespace`\n  hint: did you mean `namespace`?",
        ),
        (
            "tasks: []\nconcurrency: {limt: 1}",
            "3:15: error[unknown-key]: `concurrency` has no key `limt`\n  hint: did you mean `limit`?",
        ),
        (
            "tasks: [{id: a, type: log, retry: {attempts: 1, dealy: 5s}}]",
            "2:49: error[unknown-key]: `retry` of task `a` has no key `dealy`\n  hint: did you mean `delay`?",
        ),
        (
            "tasks: [{id: a, type: fleet, targets: [], tasks: [], rollout: {aprove: {}}}]",
            "2:64: error[unknown-key]: `rollout` of task `a` has no key `aprove`\n  hint: did you mean `approve`?",
        ),
        (
            "tasks: [{id: a, type: fleet, targets: [], tasks: [], rollout: {approve: {form: x}}}]",
            (
                "2:74: error[unknown-key]: `rollout.approve` of task `a` has no key `form`\n"
                "  hint: its keys are `after` and `by`"
            ),
        ),
        (
            "tasks: [{id: a, type: log, lock: {key: k, wiat: 5s}}]",
            "2:43: error[unknown-key]: `lock` of task `a` has no key `wiat`\n  hint: did you mean `wait`?",
        ),
        (
            "tasks: [{id: s, type: switch, value: 1, cases: {b: [{id: i, type: sleep, duraton: 5s}]}}]",
            "2:74: error[unknown-key]: task `i` has no key `duraton`\n  hint: did you mean `duration`?",
        ),
        (
            "tasks: []\ntriggers: [{id: t, type: flow, after: [{flo: x}]}]",
            "3:41: error[unknown-key]: `after[0]` of trigger `t` has no key `flo`\n  hint: did you mean `flow`?",
        ),
        (
            "tasks: []\ninputs: [{id: n, type: int, mix: 1}]",
            "3:29: error[unknown-key]: input `n` has no key `mix`\n  hint: did you mean `min`?",
        ),
        (
            "tasks: []\nfinally_: []",
            "3:1: error[unknown-key]: the flow has no key `finally_`\n  hint: did you mean `finally`?",
        ),
    ],
)  # fmt: skip
def test_unknown_keys_are_told_at_every_level(body: str, expected: str) -> None:
    assert fault(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("tasks: {}", "2:8: error[wrong-type]: `tasks` must be a list, not a mapping"),
        ("tasks:", "2:7: error[wrong-type]: `tasks` must be a list, not null"),
        ("tasks: [5]", "2:9: error[wrong-type]: task 1 of `tasks` must be a mapping, not a number"),
        ("description: 5\ntasks: []", "2:14: error[wrong-type]: `description` must be text, not a number"),
        ("disabled: yes\ntasks: []", "2:11: error[wrong-type]: `disabled` must be `true` or `false`, not text"),
        (
            "concurrency: {limit: '5'}\ntasks: []",
            "2:22: error[wrong-type]: `concurrency.limit` must be a whole number, not text",
        ),
        (
            "concurrency: {limit: 0}\ntasks: []",
            "2:22: error[invalid-value]: `concurrency.limit` must be at least 1, not `0`",
        ),
        (
            "concurrency: {limit: 1, on_limit: queu}\ntasks: []",
            "2:35: error[invalid-value]: `concurrency.on_limit` must be `queue`, `cancel` or `fail`, not `queu`",
        ),
        ("timeout: soon\ntasks: []", "2:10: error[invalid-value]: `timeout`: `soon` is not a duration"),
        ("labels: {a: 1}\ntasks: []", "2:13: error[wrong-type]: `labels.a` must be text, not a number"),
        (
            "tasks: [{id: a, type: log, when: 5}]",
            "2:34: error[wrong-type]: `when` of task `a` must be text or `true` or `false`, not a number",
        ),
        (
            "tasks: [{id: a, type: log, description: !raw x}]",
            "2:41: error[wrong-type]: `description` of task `a` must be text, not a `!raw` value",
        ),
        (
            "tasks: [{id: a, type: fleet, targets: [], tasks: [], rollout: {batch: some}}]",
            (
                "2:71: error[invalid-value]: `rollout.batch` of task `a` must be a whole number, "
                "a percentage such as `10%` or an expression in `{{ }}`, not `some`"
            ),
        ),
        (
            "tasks: [{id: a, type: fleet, targets: [], tasks: [], rollout: {max_parallel: 0}}]",
            "2:78: error[invalid-value]: `rollout.max_parallel` of task `a` must be at least 1, not `0`",
        ),
        (
            "tasks: [{id: A-b, type: log}]",
            (
                "2:14: error[invalid-value]: `id` of task `A-b` must be a name of lower-case letters, digits and `_` "
                "that begins with a letter, not `A-b`"
            ),
        ),
        ("tasks: [{type: log}]", "2:9: error[missing-key]: task 1 of `tasks` has no `id`"),
        ("tasks: [{id: a}]", "2:9: error[missing-key]: task `a` has no `type`"),
        ("tasks: [{id: a, type: sleep}]", "2:9: error[missing-key]: task `a` has no `duration`"),
        (
            "tasks: [{id: r, type: repeat, until: x, tasks: []}]",
            "2:9: error[invalid-value]: task `r`: `repeat` needs `max_iterations` or `max_duration`",
        ),
        (
            "tasks: []\ntriggers: [{id: t, type: schedule}]",
            "3:12: error[invalid-value]: trigger `t`: a schedule has exactly one of `cron`, `every` and `dates`",
        ),
        (
            "tasks: []\ntriggers: [{id: t, type: schedule, every: 100ms}]",
            "3:43: error[invalid-value]: `every` of trigger `t`: `100ms` is less than a second",
        ),
        (
            "tasks: []\ntriggers: [{id: t, type: any.thing, interval: 0}]",
            "3:47: error[invalid-value]: `interval` of trigger `t`: `0s` is less than a second",
        ),
        (
            "tasks: []\ninputs: [{id: n, type: strng}]",
            "3:24: error[unknown-type]: input `n` has the unknown type `strng`",
        ),
        ("tasks: []\ninputs: [{id: n}]", "3:10: error[missing-key]: input `n` has no `type`"),
        ("tasks: []\ninputs: [n]", "3:10: error[wrong-type]: input 1 of `inputs` must be a mapping, not text"),
        (
            "tasks: []\ninputs: [{id: n, type: int, default: x}]",
            "3:38: error[invalid-value]: `default` of input `n` must be a whole number, not `x`",
        ),
        (
            "tasks: []\ninputs: [{id: n, type: string, pattern: '('}]",
            "3:41: error[invalid-value]: `pattern` of input `n`: `(` is no regular expression: unclosed group",
        ),
    ],
)
def test_wrong_values_are_one_fault_each(body: str, expected: str) -> None:
    assert fault(body).split("\n")[0] == expected


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("disabled: yes\ntasks: []", "in YAML 1.2 `yes` is text: write `true` or `false` without quotes"),
        ("description: 5\ntasks: []", "put it in quotes"),
        ("labels:\ntasks: []", "give it a value, or remove the key"),
        ("concurrency: {limit: '5'}\ntasks: []", "write it without quotes"),
        ("tasks: []\ninputs: [{id: n, type: strng}]", "did you mean `string`?"),
        ("tasks: []\ninputs: [{id: n, type: int, required: false}]", "write `default: null` to make it optional"),
        ("concurrency: {limit: 1, on_limit: queu}\ntasks: []", "did you mean `queue`?"),
        ("timeout: soon\ntasks: []", "write it like `1h30m`"),
    ],
)
def test_hints_name_the_way_out(body: str, hint: str) -> None:
    assert hint in fault(body).split("\n  hint: ")[1]


def test_ids_are_unique_in_the_whole_flow() -> None:
    body = """\
tasks:
  - id: s
    type: switch
    value: x
    cases: {a: [{id: one, type: log}]}
    default: [{id: two, type: log}]
  - id: c
    type: if
    condition: true
    then: [{id: p, type: parallel, tasks: [{id: one, type: log}]}]
    else: [{id: two, type: log}]
errors: [{id: s, type: log}]
finally: [{id: c, type: log}]
inputs: [{id: n, type: int}, {id: n, type: int}]
triggers: [{id: t, type: webhook}, {id: t, type: webhook}]
"""
    assert [one.split("\n")[0] for one in faults(f"id: f\n{body}")] == [
        "11:49: error[duplicate-id]: the task `one` is already at f.yaml:6:22",
        "12:17: error[duplicate-id]: the task `two` is already at f.yaml:7:20",
        "13:15: error[duplicate-id]: the task `s` is already at f.yaml:3:9",
        "14:16: error[duplicate-id]: the task `c` is already at f.yaml:8:9",
        "15:35: error[duplicate-id]: the input `n` is already at f.yaml:15:15",
        "16:41: error[duplicate-id]: the trigger `t` is already at f.yaml:16:17",
    ]


def test_inputs_of_a_pause_are_its_own() -> None:
    flow("inputs: [{id: n, type: int}]\ntasks: [{id: p, type: pause, inputs: [{id: n, type: int}]}]")
    assert "the input `n` is already at" in fault(
        "tasks: [{id: p, type: pause, inputs: [{id: n, type: int}, {id: n, type: int}]}]"
    )


def parallel(*tasks: str) -> str:
    return "\n".join(
        ["tasks:", "  - id: p", "    type: parallel", "    tasks:", *(f"      - {task}" for task in tasks)]
    )


def test_needs_make_a_graph_in_parallel() -> None:
    loaded = flow(parallel("{id: a, type: log}", "{id: b, type: log, needs: [a]}", "{id: c, type: log, needs: [a, b]}"))
    (scope,) = loaded.flow.tasks
    assert isinstance(scope, Parallel)
    assert scope.tasks[2].needs == ["a", "b"]


def test_needs_elsewhere_are_refused() -> None:
    assert fault("tasks: [{id: a, type: log}, {id: b, type: log, needs: [a]}]").startswith(
        "2:48: error[misplaced-key]: `needs` is for the tasks of a `parallel`, and task `b` is not in one"
    )
    body = parallel("{id: a, type: log}") + "\n    finally: [{id: b, type: log, needs: [a]}]"
    assert "[misplaced-key]" in fault(body)


def test_unknown_needs_are_told() -> None:
    body = parallel("{id: first, type: log}", "{id: b, type: log, needs: [frist]}") + "\n  - {id: other, type: log}"
    assert fault(body) == (
        "7:36: error[unknown-need]: task `b` needs `frist`, which does not exist\n  hint: did you mean `first`?"
    )
    assert "which is not in the same `parallel`" in fault(body.replace("frist", "other"))


def test_each_circle_of_needs_is_told_once_with_its_chain() -> None:
    found = faults("id: f\n" + parallel(
        "{id: a, type: log, needs: [c]}",
        "{id: b, type: log, needs: [a]}",
        "{id: c, type: log, needs: [b]}",
        "{id: x, type: log, needs: [y]}",
        "{id: y, type: log, needs: [x]}",
        "{id: z, type: log, needs: [z, a]}",
    ))  # fmt: skip
    assert [one.split("\n")[0] for one in found] == [
        "6:36: error[circular-needs]: circular `needs`: `a` needs `c` needs `b` needs `a`",
        "9:36: error[circular-needs]: circular `needs`: `x` needs `y` needs `x`",
        "11:36: error[circular-needs]: task `z` needs itself",
    ]


def test_scope_keys_on_plain_tasks_are_refused() -> None:
    found = faults("""\
id: f
tasks:
  - {id: a, type: ssh.command, finally: [], errors: [], restart: all, recover: true}
  - {id: b, type: paralel, tasks: [{id: c, type: log}]}
""")
    assert [one.split(": ")[0] for one in found] == ["3:32", "3:45", "3:57", "3:71", "4:28"]
    assert found[0].endswith("hint: put the task into a `sequential` that has it")
    assert found[4].endswith("hint: did you mean `type: parallel`?")


def test_defaults_are_merged_and_the_task_wins() -> None:
    loaded = flow("""\
defaults:
  "a.*": {user: wide, port: 1, retry: {attempts: 2}}
  a.b.*: {user: middle}
  a.b.c: {user: exact, timeout: 5m}
  fleet: {rollout: {max_parallel: 3}, restart: all}
tasks:
  - {id: one, type: a.b.c}
  - {id: two, type: a.b.d, port: 2}
  - {id: three, type: a.x, retry: {attempts: 5, delay: 1s}}
  - {id: four, type: ab.x}
  - id: five
    type: fleet
    targets: []
    tasks: [{id: six, type: a.b.c, user: own}]
""")
    one, two, three, four, five = loaded.flow.tasks
    assert isinstance(one, TaskStep)
    assert one.fields == {"user": "exact", "port": 1}
    assert one.timeout == timedelta(minutes=5)
    assert one.retry is not None
    assert isinstance(two, TaskStep)
    assert two.fields == {"user": "middle", "port": 2}
    assert isinstance(three, TaskStep)
    assert three.retry is not None
    assert (three.retry.attempts, three.retry.delay) == (5, timedelta(seconds=1))
    assert isinstance(four, TaskStep)
    assert four.fields == {}
    assert isinstance(five, Fleet)
    assert (five.rollout.max_parallel, five.restart) == (3, "all")
    assert isinstance(five.tasks[0], TaskStep)
    assert five.tasks[0].fields["user"] == "own"
    assert str(loaded.places.value(("tasks", 0, "timeout"))) == "flow.yaml:5:33"


def test_defaults_of_the_namespace_come_last() -> None:
    asked = []

    def defaults_of(namespace: str | None) -> dict[str, dict[str, str]]:
        asked.append(namespace)
        return {"ssh.command": {"user": "outer", "key": "outer"}}

    loaded = parse_flow(
        "id: f\nnamespace: data.mongo\ndefaults: {ssh.*: {user: inner}}\ntasks: [{id: a, type: ssh.command}]",
        defaults_of=defaults_of,
    )
    (task,) = loaded.flow.tasks
    assert isinstance(task, TaskStep)
    assert task.fields == {"user": "inner", "key": "outer"}
    assert asked == ["data.mongo"]
    assert str(loaded.places.value(("tasks", 0, "key"))) == "flow.yaml:4:9"


def test_a_wrong_default_is_one_fault_where_it_stands() -> None:
    found = fault("defaults: {log: {timeout: soon}}\ntasks: [{id: a, type: log}, {id: b, type: log}]")
    assert found.startswith("2:27: error[invalid-value]: `defaults.log.timeout`: `soon` is not a duration")


def test_defaults_that_cannot_be_are_refused() -> None:
    found = faults("""\
id: f
defaults:
  "*": {user: x}
  ssh.*: {id: x, needs: [x], recover: true}
  sequential: {tasks: []}
tasks: [{id: a, type: ssh.command}, {id: b, type: sequential, tasks: []}]
""")
    assert [one.split(": ")[0] for one in found] == ["3:3", "4:11", "4:18", "4:30", "5:16"]


def test_defaults_that_nothing_takes_are_a_warning() -> None:
    (warning,) = flow("defaults: {shh.*: {user: x}}\ntasks: [{id: a, type: ssh.command}]").warnings
    assert (warning.code, warning.hint) == ("unused-defaults", "did you mean `ssh.*`?")


def test_raw_values_reach_the_task() -> None:
    (task,) = flow("tasks: [{id: a, type: log, message: !raw '{{ x }}', n: 0}]").flow.tasks
    assert isinstance(task, TaskStep)
    assert task.fields == {"message": RawValue("{{ x }}"), "n": 0}


def test_branches_are_read() -> None:
    chosen, branched = flow("""\
tasks:
  - {id: s, type: switch, value: "{{ x }}", cases: {"1": [], yes: [{id: a, type: log}]}}
  - {id: i, type: if, condition: x == 1, then: [], else: [{id: b, type: log}]}
""").flow.tasks
    assert isinstance(chosen, Switch)
    assert set(chosen.cases) == {"1", "yes"}
    assert chosen.default is None
    assert isinstance(branched, If)
    assert branched.else_[0].id == "b"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "1:1: error[empty-flow]: the flow is empty"),
        ("# nothing\n", "1:1: error[empty-flow]: the flow is empty"),
        ("- a\n", "1:1: error[wrong-type]: a flow is a mapping"),
        ("hello", "1:1: error[wrong-type]: a flow is a mapping"),
    ],
)
def test_what_is_no_flow_is_refused(source: str, message: str) -> None:
    (found,) = faults(source)
    assert found.startswith(message)


def test_thousands_of_faults_are_cut() -> None:
    found = faults("id: f\ntasks:\n" + "  - {id: a, type: log}\n" * 2000)
    assert len(found) == 101
    assert "1899 more faults are not shown" in found[-1]


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no flow file"):
        load_flow(tmp_path / "nowhere.yaml")
    with pytest.raises(UsageError, match="is a folder"):
        load_flow(tmp_path)


def test_a_flow_as_deep_as_the_nesting_limit_loads_or_is_refused_in_order() -> None:
    deep = "{id: t0, type: log}"
    for number in range(1, 45):
        deep = f"{{id: t{number}, type: sequential, tasks: [{deep}]}}"
    assert flow(f"tasks: [{deep}]").flow.tasks[0].id == "t44"


def test_loading_pulls_in_neither_templates_nor_the_store() -> None:
    code = (
        "import sys; from rota.flows.loader import parse_flow;"
        "parse_flow('id: f\\ninputs: [{id: n, type: int, default: 1}]\\ntasks: [{id: a, type: log}]');"
        "print([name for name in ('jinja2', 'sqlalchemy', 'regex', 'difflib', 'jmespath') if name in sys.modules])"
    )
    path = str(Path(sys.modules["rota"].__file__ or "").parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert done.stdout.strip() == "[]"
