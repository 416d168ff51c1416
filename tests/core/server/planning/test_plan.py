"""A plan shows what a run would do, tells what only a run can tell, and hurts nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rota.errors import InputError, RotaError
from rota.flows.loader import load_flow
from rota.server.planning import plan, plan_text
from rota.server.planning.models import Plan, PlannedBlock, PlannedTask
from rota.settings import Settings
from tests.core.dists import Dists
from tests.core.dists import dists as dists
from tests.core.flows.checker.conftest import plugins as plugins
from tests.core.flows.test_loader import EXAMPLE

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PLANNER = '''
"""Tasks that plan."""
import time
from rota import Context, Task, TaskFailed, hookimpl
from pydantic import SecretStr

class Change(Task):
    """Change something."""
    what: str
    """What."""
    password: SecretStr | None = None
    """A password."""
    def run(self, ctx: Context) -> None: ...
    def plan(self, ctx: Context) -> object:
        print("noise")
        if self.what == "secret":
            ctx.secret("a#b")
        if self.what == "kv":
            ctx.kv.set("a", 1)
        if self.what == "raise":
            raise ZeroDivisionError("oops")
        if self.what == "echo":
            done = ctx.process(["cat"], stdin=b"from a program")
            return {"said": done.stdout, "code": done.exit_code}
        if self.what == "files":
            return sorted(path.name for path in ctx.workdir.iterdir())
        return {"would": self.what, "target": ctx.target}

class Hang(Task):
    """Hang while planning."""
    how: str
    """How."""
    def run(self, ctx: Context) -> None: ...
    def plan(self, ctx: Context) -> object:
        if self.how == "child":
            ctx.process(["sleep", "600"])
        if self.how == "memory":
            return len(bytearray(1 << 40))
        while self.how == "busy":
            pass
        time.sleep(600)

@hookimpl
def register_task_types():
    return [Change, Hang]
'''

Planned = Callable[..., Plan]


@pytest.fixture
def planned(tmp_path: Path, plugins: object, dists: Dists) -> Planned:
    """Plan a flow that is written into a folder of its own."""
    dists.install("planner", PLANNER)

    def run(body: str, given: dict[str, Any] | None = None, files: dict[str, str] | None = None, **more: Any) -> Plan:
        for name, text in {"flow.yaml": f"id: f\n{body}", **(files or {})}.items():
            (tmp_path / name).write_text(text)
        settings = Settings(home=tmp_path / "home")
        return plan(load_flow(tmp_path / "flow.yaml"), given or {}, settings, now=NOW, **more)

    return run


def tasks(plan: Plan) -> dict[str, PlannedTask]:
    """Return every task of a plan by id; of iterations, the first."""
    found: dict[str, PlannedTask] = {}

    def walk(blocks: list[PlannedBlock]) -> None:
        for block in blocks:
            for task in block.tasks:
                found.setdefault(task.id, task)
                walk(task.blocks)

    walk(plan.blocks)
    return found


def fields(task: PlannedTask) -> dict[str, Any]:
    return {name: value.value for name, value in task.fields.items()}


def test_values_are_rendered_as_far_as_they_are_known(planned: Planned) -> None:
    found = planned("""
inputs:
  - {id: env, type: select, values: [prod, staging], default: prod}
  - {id: count, type: int, default: "{{ 1 + 2 }}"}
  - {id: password, type: secret}
variables: {bucket: backups}
tasks:
  - {id: known, type: log, message: "{{ vars.bucket }}/{{ trigger.date | date('%F') }}/{{ inputs.count }}"}
  - {id: typed, type: log, message: "{{ inputs.count }}"}
  - {id: partly, type: log, message: "{{ vars.bucket }} at {{ now() }} of {{ execution.id }}"}
  - {id: secret, type: http.request, url: "https://{{ secret('cmdb#host') }}/{{ inputs.password }}"}
  - {id: later, type: log, message: {a: [1, "{{ outputs.secret.json.x }}"], b: "{{ outputs.secret | default('') }}"}}
""", {"password": "hunter22"})  # fmt: skip
    by_id = tasks(found)
    assert {name: value.value for name, value in found.inputs.items()} == {"env": "prod", "count": 3, "password": "***"}
    assert fields(by_id["known"]) == {"message": "backups/2026-01-31/3"}
    assert fields(by_id["typed"]) == {"message": 3}
    assert fields(by_id["partly"]) == {"message": "backups at {{ now() }} of {{ execution.id }}"}
    assert by_id["partly"].fields["message"].unknown == ["now()", "execution.id"]
    assert fields(by_id["secret"]) == {"url": "https://secret(cmdb#host)/secret(inputs.password)"}
    assert by_id["secret"].fields["url"].secrets == ["cmdb#host", "inputs.password"]
    assert by_id["later"].fields["message"].value["a"] == [1, "{{ outputs.secret.json.x }}"]
    assert by_id["later"].fields["message"].unknown == ["outputs.secret"]
    assert "hunter22" not in found.model_dump_json()


def test_what_output_and_set_only_repeat_is_known(planned: Planned) -> None:
    found = tasks(
        planned("""
tasks:
  - {id: o, type: output, values: {a: "{{ 1 + 1 }}"}}
  - {id: s, type: set, values: {b: "{{ outputs.o.a }}"}}
  - {id: l, type: log, message: "{{ vars.b }}"}
""")
    )
    assert fields(found["l"]) == {"message": 2}


def test_it_says_which_tasks_run(planned: Planned) -> None:
    found = tasks(
        planned("""
inputs: [{id: env, type: string, default: prod}]
tasks:
  - {id: yes, type: log, message: x, when: inputs.env == 'prod'}
  - {id: no, type: log, message: x, when: inputs.env == 'test'}
  - {id: off, type: log, message: x, disabled: true}
  - {id: maybe, type: log, message: x, when: outputs.yes.x == 1}
""")
    )
    assert {name: task.runs for name, task in found.items()} == {
        "yes": "yes",
        "no": "no",
        "off": "no",
        "maybe": "maybe",
    }
    assert found["no"].why == "`inputs.env == 'test'` is false"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [("inputs.x == 1", ["then"]), ("inputs.x == 2", ["else"]), ("kv('a', false)", ["then", "else"])],
)
def test_only_the_branch_that_is_taken_is_shown(planned: Planned, condition: str, expected: list[str]) -> None:
    found = tasks(
        planned(f"""
inputs: [{{id: x, type: int, default: 1}}]
tasks:
  - id: i
    type: if
    condition: {condition}
    then: [{{id: a, type: log, message: x}}]
    else: [{{id: b, type: log, message: x}}]
""")
    )
    assert [block.name for block in found["i"].blocks] == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("a", ["a"]), ("z", ["default"]), ("{{ now() }}", ["a", "b", "default"])]
)
def test_only_the_case_that_matches_is_shown(planned: Planned, value: str, expected: list[str]) -> None:
    found = tasks(
        planned(f"""
tasks:
  - id: s
    type: switch
    value: "{value}"
    cases: {{a: [{{id: a, type: exit}}], b: [{{id: b, type: exit}}]}}
    default: [{{id: c, type: exit}}]
""")
    )
    assert [block.name for block in found["s"].blocks] == expected


@pytest.mark.parametrize(
    ("rollout", "count", "sizes"),
    [
        ("{canary: 1, batch: 20%}", 57, [1, 12, 12, 12, 12, 8]),
        ("{}", 57, [57]),
        ("{canary: 10%, batch: 50}", 57, [6, 50, 1]),
        ("{canary: 5}", 3, [3]),
        ("{batch: '{{ inputs.size }}'}", 10, [4, 4, 2]),
        ("{canary: 1}", 0, []),
    ],
)
def test_targets_are_shown_by_batch(planned: Planned, rollout: str, count: int, sizes: list[int]) -> None:
    found = tasks(
        planned(f"""
inputs: [{{id: size, type: int, default: 4}}]
tasks:
  - id: fl
    type: fleet
    targets: range({count}) | map('string') | list
    key: "t{{{{ target }}}}"
    rollout: {rollout}
    tasks: [{{id: l, type: log, message: "{{{{ target }}}} {{{{ key }}}} {{{{ index }}}}"}}]
""")
    )
    items = found["fl"].items
    assert items is not None
    assert items.total == count
    assert [len(batch.targets) for batch in items.batches] == sizes
    if count:
        assert fields(found["l"]) == {"message": "0 t0 0"}


def test_a_list_that_only_a_run_can_tell_is_unknown(planned: Planned) -> None:
    found = tasks(
        planned("""
tasks:
  - {id: c, type: http.request, url: x}
  - id: fl
    type: fleet
    targets: outputs.c.json
    lock: "x/{{ target.name }}"
    tasks: [{id: l, type: log, message: "{{ target.host }} {{ inputs.nope }}"}]
""")
    )
    items = found["fl"].items
    assert items is not None
    assert (items.total, items.unknown) == (None, ["outputs.c"])
    assert found["l"].fields["message"].unknown == ["target"]
    assert "`inputs.nope` is undefined" in found["l"].fields["message"].problem


def test_as_many_iterations_are_expanded_as_one_likes(planned: Planned) -> None:
    body = "tasks: [{id: f1, type: foreach, items: [a, b, c], tasks: [{id: l, type: log, message: '{{ item }}'}]}]"
    blocks = tasks(planned(body, expand=2))["f1"].blocks
    assert [(block.name, fields(block.tasks[0])) for block in blocks] == [
        ("0", {"message": "a"}),
        ("1", {"message": "b"}),
    ]


def test_what_would_fail_is_told(planned: Planned) -> None:
    found = tasks(
        planned("""
tasks:
  - {id: bomb, type: log, message: "{{ 'x' * 10**9 }}"}
  - {id: wrong, type: log, message: x, level: "{{ 'lo' ~ 'ud' }}"}
  - {id: gone, type: nope.nope}
  - id: fl
    type: fleet
    targets: [a, a]
    tasks: [{id: l, type: exit}]
  - id: fe
    type: fleet
    targets: [a]
    expect: {min: 2}
    tasks: [{id: l2, type: exit}]
""")
    )
    assert "would make a text of more than" in found["bomb"].problem
    assert "`level`" in found["wrong"].problem
    assert found["gone"].problem == "unknown task type `nope.nope`"
    assert found["fl"].items is not None
    assert found["fl"].items.problem == "the key `a` is there twice"
    assert found["fe"].items is not None
    assert found["fe"].items.problem == "`fe` has 1 targets, expected at least 2"


@pytest.mark.parametrize(
    ("what", "plan", "problem"),
    [
        ("x", {"would": "x", "target": None}, ""),
        ("echo", {"said": "from a program", "code": 0}, ""),
        ("files", ["a.txt"], ""),
        ("secret", None, "secret `a#b` is not known in a plan"),
        ("kv", None, "`set` cannot be used in a plan: it would touch what is stored"),
        ("raise", None, "the plan failed: ZeroDivisionError: oops"),
        ("{{ now() }}", None, ""),
    ],
)
def test_plugins_plan_when_every_value_is_known(planned: Planned, what: str, plan: Any, problem: str) -> None:
    body = f"files: [a.txt]\ntasks: [{{id: c, type: planner.change, what: '{what}'}}]"
    found = tasks(planned(body, files={"a.txt": "x"}))["c"]
    assert (found.plan, found.problem) == (plan, problem)


def test_a_plugin_does_not_plan_where_a_secret_would_be(planned: Planned) -> None:
    body = "tasks: [{id: c, type: planner.change, what: x, password: \"{{ secret('a') }}\"}]"
    assert tasks(planned(body))["c"].plan is None


def test_a_plugin_plans_for_a_target(planned: Planned) -> None:
    body = "tasks: [{id: fl, type: fleet, targets: [a], tasks: [{id: c, type: planner.change, what: '{{ target }}'}]}]"
    assert tasks(planned(body))["c"].plan == {"would": "a", "target": "a"}


@pytest.mark.parametrize("how", ["sleep", "busy", "child"])
def test_a_plugin_that_hangs_is_ended(planned: Planned, how: str) -> None:
    with pytest.raises(RotaError, match=r"was not made within|more processor time"):
        planned(f"tasks: [{{id: h, type: planner.hang, how: {how}}}]", seconds=3)


def test_memory_is_bounded(planned: Planned) -> None:
    found = tasks(planned("tasks: [{id: h, type: planner.hang, how: memory}]"))
    assert "MemoryError" in found["h"].problem


def test_wrong_inputs_are_refused_before_anything(planned: Planned) -> None:
    with pytest.raises(InputError, match="`x`"):
        planned("tasks: []", {"x": 1})


def test_it_is_json_and_back(planned: Planned) -> None:
    found = planned("tasks: [{id: s, type: sleep, duration: 90s}]")
    assert Plan.model_validate_json(found.model_dump_json()) == found
    assert fields(tasks(found)["s"]) == {"duration": "1m30s"}


def test_people_read_it_as_a_tree(tmp_path: Path, planned: Planned) -> None:
    (tmp_path / "report.py").write_text("print(1)\n")
    (tmp_path / "flow.yaml").write_text(EXAMPLE)
    found = plan(load_flow(tmp_path / "flow.yaml"), {"env": "staging"}, Settings(home=tmp_path / "home"), now=NOW)
    text = plan_text(found)
    for line in [
        "data.mongo/nightly-backup",
        "    env: staging",
        "    • clusters  http.request",
        "        url: secret(cmdb#url)/clusters?env=staging",
        "        the list is unknown: outputs.clusters",
        "              private_key: secret(ssh/backup#private_key)",
        "              uri: s3://backups/2026-01-31/{{ target.name }}.gz  (unknown: target)",
        "  finally  (last, whatever happened)",
    ]:
        assert line in text.splitlines()
