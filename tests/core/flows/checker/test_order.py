"""What a task may read: only what must have ended before it, and only where it is seen."""

from __future__ import annotations

import pytest

from tests.core.flows.checker.conftest import Check, begin

FLOWS = [
    # One after the other.
    ("tasks: [%a, {id: l, type: log, message: '{{ outputs.a.text }}'}]", []),
    ("tasks: [{id: l, type: log, message: '{{ outputs.a.text }}'}, %a]", ["not-yet-run @ a.text"]),
    ("tasks: [{id: l, type: log, message: '{{ tasks.a.state }}'}, %a]", ["not-yet-run @ a.state"]),
    ("tasks: [{id: a, type: http.request, url: '{{ outputs.a.text }}'}]", ["not-yet-run @ a.text"]),
    ("tasks: [{id: s, type: sequential, tasks: [%a]}, {id: l, type: log, message: '{{ outputs.a.text }}'}]", []),
    ("tasks: [{id: s, type: sequential, tasks: [%a]}, {id: l, type: log, message: '{{ outputs.s.text }}'}]",
     ["unknown-output @ s.text"]),
    ("tasks: [{id: s, type: sequential, when: outputs.a.status > 1, tasks: [%a]}]", ["not-yet-run @ a.status"]),
    # At the same time.
    ("tasks: [{id: p, type: parallel, tasks: [%a, {id: l, type: log, message: '{{ outputs.a.text }}'}]}]",
     ["not-yet-run @ a.text"]),
    ("tasks: [{id: p, type: parallel, tasks: [%a, {id: l, type: log, needs: [a], message: '{{ outputs.a.text }}'}]}]",
     []),
    (("tasks: [{id: p, type: parallel, tasks: [%a, {id: m, type: exit, needs: [a]}, "
     "{id: l, type: log, needs: [m], message: '{{ outputs.a.text }}'}]}]"), []),
    ("tasks: [{id: p, type: parallel, tasks: [%a]}, {id: l, type: log, message: '{{ outputs.a.text }}'}]", []),
    # Branches.
    ("tasks: [{id: i, type: if, condition: kv('x'), then: [%a]}, {id: l, type: log, message: '{{ outputs.a.text }}'}]",
     ["maybe-undefined @ a.text"]),
    (("tasks: [{id: i, type: if, condition: kv('x'), then: [%a]}, "
     "{id: l, type: log, message: '{{ outputs.a.text | default(1) }}'}]"), []),
    (("tasks: [{id: i, type: if, condition: kv('x'), then: [%a]}, {id: l, type: log, when: kv('x'), "
     "message: '{{ outputs.a.text }}'}]"), []),
    (("tasks: [{id: i, type: if, condition: kv('x'), then: [%a]}, {id: l, type: log, when: outputs.a is defined, "
     "message: '{{ outputs.a.text }}'}]"), []),
    (("tasks: [{id: i, type: if, condition: kv('x'), then: [%a]}, {id: l, type: log, "
     "when: tasks.a.state == 'success', message: '{{ outputs.a.text }}'}]"), []),
    ("tasks: [{id: i, type: if, condition: kv('x'), then: [%a, {id: l, type: log, message: '{{ outputs.a.text }}'}]}]",
     []),
    (("tasks: [{id: i, type: if, condition: kv('x'), then: [%a], else: "
     "[{id: l, type: log, message: '{{ outputs.a.text }}'}]}]"), ["never-run @ a.text"]),
    (("tasks: [{id: w, type: switch, value: '{{ kv(1) }}', cases: {a: [%a]}, default: []}, "
     "{id: l, type: log, message: '{{ outputs.a.text }}'}]"), ["maybe-undefined @ a.text"]),
    # What may not run.
    ("tasks: [{id: a, type: http.request, url: x, when: kv('x')}, {id: l, type: log, message: '{{ outputs.a.text }}'}]",
     ["maybe-undefined @ a.text"]),
    (("tasks: [{id: a, type: http.request, url: x, disabled: true}, "
     "{id: l, type: log, message: '{{ outputs.a.text }}'}]"), ["never-run @ a.text"]),
    (("tasks: [{id: s, type: sequential, allow_failure: true, tasks: [%a]}, "
     "{id: l, type: log, message: '{{ outputs.a.text }}'}]"), ["maybe-undefined @ a.text"]),
    # Failure and the end.
    ("tasks: [%a]\nerrors: [{id: l, type: log, message: '{{ error.message }}{{ outputs.a.text }}'}]",
     ["maybe-undefined @ a.text"]),
    ("tasks: [%a]\nfinally: [{id: l, type: log, message: '{{ tasks.a.state }}{{ outputs.a.text | default(1) }}'}]", []),
    ("tasks: [{id: x, type: exit}]\nerrors: [%a]\nfinally: [{id: l, type: log, message: '{{ outputs.a.text }}'}]",
     ["maybe-undefined @ a.text"]),
    ("tasks: [{id: l, type: log, message: '{{ outputs.a.text }}'}]\nfinally: [%a]", ["not-yet-run @ a.text"]),
    (("tasks: [{id: s, type: sequential, restart: all, tasks: [], finally: "
     "[{id: l, type: log, message: '{{ tasks.s.state }}'}]}]"), ["not-yet-run @ s.state"]),
    (("tasks: [{id: s, type: sequential, tasks: [], errors: [{id: q, type: sequential, tasks: "
     "[{id: l, type: log, message: '{{ error.message }}'}]}]}]"), []),
    ("tasks: [%a]\noutputs: {x: '{{ outputs.a.text }}'}", []),
    # Iterations.
    ("tasks: [{id: f1, type: foreach, items: [1], tasks: [%a, {id: l, type: log, message: '{{ outputs.a.text }}'}]}]",
     []),
    ("tasks: [%a, {id: f1, type: foreach, items: [1], tasks: [{id: l, type: log, message: '{{ outputs.a.text }}'}]}]",
     []),
    ("tasks: [{id: f1, type: foreach, items: [1], tasks: [%a], collect: {x: outputs.a.text}}]", []),
    ("tasks: [{id: f1, type: foreach, items: [1], tasks: [%a], collect: {x: outputs.a.txt}}]",
     ["unknown-output @ txt"]),
    ("tasks: [{id: f1, type: foreach, items: outputs.a.json, tasks: [%a]}]", ["hidden-task @ a.json"]),
    ("tasks: [{id: f1, type: foreach, items: [1], tasks: [%a]}, {id: l, type: log, message: '{{ outputs.a.text }}'}]",
     ["hidden-task @ a.text"]),
    (("tasks: [{id: f1, type: foreach, items: [1], restart: all, tasks: [%a], finally: "
     "[{id: l, type: log, message: '{{ outputs.a.text }}'}]}]"), ["hidden-task @ a.text"]),
    ("tasks: [{id: f1, type: foreach, items: [1], tasks: [{id: l, type: log, message: '{{ outputs.f1.rows }}'}]}]",
     ["not-yet-run @ f1.rows"]),
    ("tasks: [{id: r, type: repeat, max_iterations: 2, until: outputs.a.status == 200, tasks: [%a]}]", []),
    ("tasks: [{id: r, type: repeat, max_iterations: 2, until: 'outputs.r.rows == []', tasks: [%a]}]",
     ["not-yet-run @ r.rows"]),
    (("tasks: [{id: f1, type: fleet, targets: [a], tasks: [{id: f2, type: foreach, items: [1], tasks: "
     "[{id: l, type: log, message: '{{ target }} {{ item }}'}]}]}]"), []),
    ("tasks: [{id: f1, type: foreach, items: [1], errors: [{id: l, type: log, message: '{{ item }}'}], tasks: [%a]}]",
     ["misplaced-name @ item"]),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "expected"), FLOWS)
def test_a_task_reads_only_what_must_have_ended(points: Check, flow: str, expected: list[str]) -> None:
    found = points(flow.replace("%a", "{id: a, type: http.request, url: x}"))
    assert begin(found, expected), found
