"""The flows that the recovery tests run: one for each way in which an execution can be interrupted."""

from __future__ import annotations

CHAIN = """
id: chain
tasks:
  - {id: one, type: ledger.again, seconds: 0.02, value: 1}
  - {id: two, type: ledger.again, seconds: 0.02, value: "{{ outputs.one.value + 1 }}"}
  - {id: three, type: ledger.once, seconds: 0.02, value: "{{ outputs.two.value + 1 }}"}
  - {id: four, type: ledger.again, seconds: 0.02, value: "{{ outputs.three.value + 1 }}"}
  - {id: five, type: ledger.again, value: "{{ outputs.four.value + 1 }}"}
errors:
  - {id: told, type: ledger.again}
finally:
  - {id: last, type: ledger.again}
outputs: {value: "{{ outputs.five.value }}"}
"""

DAG = """
id: dag
tasks:
  - id: all
    type: parallel
    fail_fast: false
    tasks:
      - {id: a, type: ledger.again, seconds: 0.03, value: 1}
      - {id: b, type: ledger.once, seconds: 0.03, value: 2}
      - {id: c, type: ledger.again, needs: [a], value: "{{ outputs.a.value }}"}
      - {id: d, type: ledger.again, needs: [a, b], seconds: 0.02, value: "{{ outputs.a.value + outputs.b.value }}"}
      - {id: e, type: ledger.again, needs: [c, d], value: "{{ outputs.c.value + outputs.d.value }}"}
outputs: {value: "{{ outputs.e.value }}"}
"""

FOREACH = """
id: each
tasks:
  - id: items
    type: foreach
    items: range(200) | list
    concurrency: 8
    max_failures: 200
    tasks:
      - {id: step, type: ledger.again, value: "{{ item }}"}
    collect: {value: outputs.step.value}
  - {id: after, type: ledger.again}
outputs: {rows: "{{ outputs.items.rows | length }}"}
"""

FLEET = """
id: fleet
tasks:
  - id: clusters
    type: fleet
    targets: [a, b, c, d, e, f, g, h, i, j]
    lock: "cluster/{{ target }}"
    rollout: {canary: 1, batch: 4, max_parallel: 3, max_failures: 10, wait: 20ms}
    tasks:
      - {id: dump, type: ledger.once, seconds: 0.02}
      - {id: keep, type: ledger.again, seconds: 0.01, value: "{{ target }}"}
    collect: {value: outputs.keep.value}
finally:
  - {id: report, type: ledger.again, value: "{{ outputs.clusters.counts | default({}) }}"}
"""

RETRY = """
id: retry
tasks:
  - id: flaky
    type: ledger.again
    fails: 2
    retry: {attempts: 8, delay: 30ms, backoff: exponential, max_delay: 100ms}
  - {id: shaky, type: ledger.once, fails: 1, seconds: 0.01, retry: {attempts: 3, delay: 20ms}}
  - {id: sure, type: ledger.once, on_lost: retry, seconds: 0.03}
"""

WAITS = """
id: waits
tasks:
  - {id: before, type: ledger.again}
  - {id: nap, type: sleep, duration: 300ms}
  - id: both
    type: parallel
    tasks:
      - {id: short, type: sleep, duration: 100ms}
      - {id: long, type: sleep, duration: 500ms}
      - {id: work, type: ledger.again, seconds: 0.1}
  - {id: after, type: ledger.once}
"""

CALLED = """
id: called
inputs: [{id: number, type: int}]
tasks:
  - {id: first, type: ledger.again, seconds: 0.02, value: "{{ inputs.number }}"}
  - {id: nap, type: sleep, duration: 50ms}
  - {id: second, type: ledger.once, seconds: 0.02, value: "{{ outputs.first.value * 2 }}"}
outputs: {value: "{{ outputs.second.value }}"}
"""

SUBFLOWS = """
id: subflows
tasks:
  - {id: one, type: subflow, flow: called, inputs: {number: 1}}
  - id: more
    type: foreach
    items: [2, 3, 4]
    concurrency: 2
    max_failures: 3
    tasks:
      - {id: call, type: subflow, flow: called, inputs: {number: "{{ item }}"}}
    collect: {value: outputs.call.value}
"""

PAUSED = """
id: paused
tasks:
  - {id: before, type: ledger.again}
  - {id: answer, type: pause, inputs: [{id: word, type: string}]}
  - {id: after, type: ledger.once, value: "{{ outputs.answer.word }}"}
outputs: {word: "{{ outputs.after.value }}"}
"""

REPEAT = """
id: again
tasks:
  - id: tries
    type: repeat
    until: index >= 5
    max_iterations: 20
    every: 20ms
    tasks:
      - {id: look, type: ledger.again, seconds: 0.01, value: "{{ index }}"}
  - {id: done, type: ledger.once}
"""

LIMITED = """
id: limited
concurrency: {limit: 2, on_limit: queue}
tasks:
  - {id: work, type: ledger.again, seconds: 0.03}
  - {id: more, type: ledger.once, seconds: 0.03}
"""

LOCKED = """
id: locked
tasks:
  - {id: free, type: ledger.again}
  - id: alone
    type: sequential
    lock: shared
    tasks:
      - {id: enter, type: ledger.again, seconds: 0.02}
      - {id: leave, type: ledger.once, seconds: 0.02}
    finally:
      - {id: clean, type: ledger.again}
"""

CHILDREN = """
id: children
tasks:
  - id: programs
    type: foreach
    items: [1, 2, 3]
    concurrency: 3
    max_failures: 3
    tasks:
      - {id: program, type: ledger.child, seconds: 0.1}
"""

FLOWS = [
    CALLED,
    CHAIN,
    DAG,
    FOREACH,
    FLEET,
    RETRY,
    WAITS,
    SUBFLOWS,
    PAUSED,
    REPEAT,
    LIMITED,
    LOCKED,
    CHILDREN,
]
STARTED = {
    "chain": 2,
    "dag": 2,
    "each": 1,
    "fleet": 2,
    "retry": 2,
    "waits": 2,
    "subflows": 1,
    "paused": 2,
    "again": 2,
    "limited": 5,
    "locked": 3,
    "children": 1,
}
"""How many executions of each flow a round starts."""
IDEMPOTENT = frozenset({"ledger.again", "ledger.child"})
