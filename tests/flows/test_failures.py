"""Failures: errors and finally, retries, timeouts, what a task may do wrong."""

from __future__ import annotations

import pytest

from tests.flows import probe
from tests.flows.harness import Rota, eventually


def test_errors_and_finally_run_after_a_failure_and_know_it(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: ok, type: log, message: fine}
          - {id: bad, type: probe.flaky, failures: 9}
          - {id: never, type: log, message: never}
        errors:
          - {id: tell, type: log, message: "{{ error.task }} {{ error.type }} {{ error.attempt }}: {{ error.message }}"}
          - {id: deep, type: if, condition: error.type == 'TaskFailed', then: [{id: seen, type: log, message: seen}]}
          - id: each
            type: foreach
            items: [1]
            tasks: [{id: inside, type: log, message: "in {{ error.task }}"}]
        finally:
          - {id: last, type: log, message: "finally {{ execution.state }} {{ error.task }} {{ tasks.never.state }}"}
        """)
    assert run.state == "failed"
    assert run.problem == {"type": "TaskFailed", "message": "attempt 1", "task": "bad", "attempt": 1}
    assert run.states == {
        "ok": "success", "bad": "failed", "never": "not_started", "tell": "success", "deep": "success",
        "seen": "success", "each": "success", "each[0]/inside": "success", "last": "success",
    }  # fmt: skip
    assert [line for line in run.lines if line != "attempt 1"] == [
        "fine", "bad TaskFailed 1: attempt 1", "seen", "in bad", "finally failed bad not_started",
    ]  # fmt: skip


def test_finally_of_a_good_run_knows_that_it_is_good(rota: Rota) -> None:
    run = rota.run("""
        tasks: [{id: a, type: log, message: a}]
        errors: [{id: never, type: log, message: never}]
        finally: [{id: last, type: log, message: "{{ execution.state }} {{ error.task | default('none') }}"}]
        """)
    assert run.state == "success"
    assert run.lines == ["a", "success none"]
    assert "never" not in run.states


def test_allow_failure_warns_and_recover_mends(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: soft, type: probe.flaky, failures: 9, allow_failure: true}
          - id: mended
            type: sequential
            recover: true
            tasks: [{id: bad, type: probe.flaky, failures: 9}]
            errors: [{id: mend, type: log, message: mended}]
        """)
    assert run.state == "warning"
    assert run.states == {
        "soft": "warning", "mended": "success", "bad": "failed", "mend": "success",
    }  # fmt: skip


def test_a_failing_finally_fails_the_scope_and_keeps_the_first_error(rota: Rota) -> None:
    run = rota.run("""
        tasks: [{id: first, type: fail, message: the first}]
        finally: [{id: second, type: fail, message: the second}]
        """)
    assert (run.state, run.problem["message"], run.problem["task"]) == ("failed", "the first", "first")
    run = rota.run("""
        tasks: [{id: fine, type: log, message: x}]
        finally: [{id: second, type: fail, message: the second}]
        """)
    assert (run.state, run.problem["message"]) == ("failed", "the second")


def test_retry_makes_attempts_with_rows_of_their_own(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: a
            type: probe.flaky
            failures: 2
            retry: {attempts: 4, delay: 10ms, backoff: exponential, max_delay: 15ms, jitter: 0.5}
        """)
    assert run.state == "success"
    assert run.rows["a"]["attempt"] == 3
    assert run.attempts == [("a", 1, "failed"), ("a", 2, "failed")]
    assert run.rows["a"]["problem"] is None
    key = f"{run.id}/a"
    assert probe.seen["keys"] == [key] * 3, "the key is stable over attempts"
    assert probe.seen["tries"] == [1, 2, 3], "state lives over attempts"


def test_retry_ends_with_the_attempts_and_keeps_each(rota: Rota) -> None:
    run = rota.run("""
        inputs: [{id: n, type: int, default: 3}]
        tasks: [{id: a, type: probe.flaky, failures: 9, retry: {attempts: "{{ inputs.n }}", delay: 1ms}}]
        """)
    assert run.state == "failed"
    assert run.attempts == [("a", 1, "failed"), ("a", 2, "failed"), ("a", 3, "failed")]
    assert run.error("a") == "attempt 3"


@pytest.mark.parametrize(
    ("task", "attempts"),
    [
        ("{failures: 9, retryable: false, retry: {attempts: 3}}", 1),
        ("{failures: 9, retryable: true, retry: {attempts: 3}}", 3),
        ("{failures: 9, error: value, retry: {attempts: 3, 'on': [ValueError]}}", 3),
        ("{failures: 9, error: value, retry: {attempts: 3, 'on': [timeout, ConnectionResetError]}}", 1),
        ("{failures: many, retry: {attempts: 3}}", 1),
    ],
)
def test_retry_covers_what_it_should(task: str, attempts: int, rota: Rota) -> None:
    run = rota.run(f"tasks: [{{id: a, type: probe.flaky, {task[1:-1]}}}]")
    assert run.state == "failed"
    assert run.rows["a"]["attempt"] == attempts


def test_a_scope_and_a_flow_retry_what_is_left(rota: Rota) -> None:
    run = rota.run("""
        retry: {attempts: 2}
        tasks:
          - {id: once, type: log, message: once}
          - id: scope
            type: sequential
            retry: {attempts: 2}
            tasks:
              - {id: kept, type: log, message: kept}
              - {id: flaky, type: probe.flaky, failures: 3}
        errors: [{id: err, type: log, message: err}]
        finally: [{id: fin, type: log, message: fin}]
        """)
    assert run.state == "success"
    assert [line for line in run.lines if not line.startswith("attempt")] == ["once", "kept", "fin"]
    assert run.rows["flaky"]["attempt"] == 4


def test_a_wrong_field_names_it_and_is_not_tried_again(rota: Rota) -> None:
    run = rota.run("""
        variables: {n: many}
        tasks: [{id: a, type: probe.flaky, failures: "{{ vars.n }}", retry: {attempts: 3}}]
        """)
    assert run.state == "failed"
    assert "`failures`" in run.error("a")
    assert run.rows["a"]["attempt"] == 1


def test_a_timeout_ends_an_attempt_and_is_tried_again(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: a, type: probe.hold, gate: never, partial: {half: 1}, timeout: 500ms, retry: {attempts: 2, 'on': [timeout]}}
        outputs: {}
        """)
    assert (run.state, run.problem["type"]) == ("failed", "timeout")
    assert run.attempts == [("a", 1, "failed"), ("a", 2, "failed")]
    assert run.output("a") == {"passed": "never"}


def test_a_templated_timeout_is_rendered_by_the_worker(rota: Rota) -> None:
    run = rota.run(
        """
        inputs: [{id: limit, type: duration}]
        tasks:
          - {id: good, type: log, message: x, timeout: "{{ inputs.limit }}"}
          - {id: wrong, type: log, message: x, timeout: "{{ 'soon' }}", allow_failure: true, retry: {attempts: 3}}
          - {id: long, type: shell, command: sleep 60, timeout: "{{ inputs.limit }}"}
        """,
        {"limit": "2s"},
    )
    assert (run.state, run.problem["type"]) == ("failed", "timeout")
    assert run.states == {"good": "success", "wrong": "warning", "long": "failed"}
    assert "timeout" in run.error("wrong")
    assert run.rows["wrong"]["attempt"] == 1


def test_a_scopes_timeout_cancels_what_is_in_it_and_runs_its_errors(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: scope
            type: sequential
            timeout: 1s
            tasks:
              - {id: a, type: probe.hold, gate: never}
              - {id: b, type: log, message: never}
            errors: [{id: err, type: log, message: "{{ error.type }}"}]
            finally: [{id: fin, type: log, message: fin}]
        """)
    assert (run.state, run.problem["type"]) == ("failed", "timeout")
    assert run.states == {
        "scope": "failed", "a": "cancelled", "b": "not_started", "err": "success", "fin": "success",
    }  # fmt: skip
    assert run.lines == ["timeout", "fin"]


def test_a_flows_timeout_cancels_it(rota: Rota) -> None:
    run = rota.run("""
        timeout: 1s
        tasks: [{id: a, type: sleep, duration: 1h}]
        finally: [{id: fin, type: log, message: fin}]
        """)
    assert (run.state, run.problem["type"]) == ("failed", "timeout")
    assert run.states == {"a": "cancelled", "fin": "success"}


def test_finally_has_a_time_of_its_own(rota: Rota) -> None:
    run = rota.run("""
        finally_timeout: 100ms
        tasks: [{id: a, type: log, message: a}]
        finally: [{id: fin, type: sleep, duration: 1h}]
        """)
    assert (run.state, run.problem["type"]) == ("failed", "timeout")


@pytest.mark.parametrize(
    "what", ["error", "unprintable", "exit", "interrupt", "surrogate error", "long error", "generator exit"]
)
def test_whatever_a_task_raises_fails_that_task_alone(what: str, rota: Rota) -> None:
    run = rota.run(f"""
        tasks:
          - {{id: odd, type: probe.odd, what: {what}, allow_failure: true}}
          - {{id: ok, type: log, message: still here}}
        """)
    assert run.states == {"odd": "warning", "ok": "success"}
    assert 0 < len(run.error("odd")) < 5000
    assert run.lines[-1] == "still here"


@pytest.mark.parametrize("what", ["object", "loop", "nan", "key"])
def test_an_output_without_json_form_fails_the_task_for_good(what: str, rota: Rota) -> None:
    run = rota.run(f"""
        tasks:
          - {{id: odd, type: probe.odd, what: {what}, allow_failure: true, retry: {{attempts: 3}}}}
          - {{id: ok, type: log, message: still here}}
        """)
    assert run.states == {"odd": "warning", "ok": "success"}
    assert "cannot be stored" in run.error("odd")
    assert run.rows["odd"]["attempt"] == 1


def test_odd_outputs_that_have_a_json_form_are_kept(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: surrogate, type: probe.odd, what: surrogate}
          - {id: bytes, type: probe.odd, what: bytes}
          - {id: sets, type: probe.odd, what: set}
          - {id: numbers, type: probe.odd, what: integer key}
          - {id: date, type: probe.odd, what: date}
        """)
    assert run.state == "success"
    assert run.output("surrogate") == "a\ud800b\x00c"
    assert (run.output("bytes"), run.output("sets"), run.output("numbers")) == ("/w==", [1], {"1": "x"})
    assert run.output("date").startswith("2026-01-02T03:04:05")


def test_odd_lines_and_numbers_never_reach_the_conductor(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: odd, type: probe.odd, what: line, allow_failure: true}
          - {id: ok, type: log, message: still here}
        """)
    assert run.states == {"odd": "warning", "ok": "success"}
    assert run.lines[:2] == ["a\ufffdb\ufffdc", "17"]
    assert "finite" in run.error("odd")


def test_a_task_that_ignores_its_cancel_is_given_up(rota: Rota) -> None:
    run = rota.start("""
        tasks: [{id: a, type: probe.hold, gate: deaf, stubborn: true}]
        finally: [{id: fin, type: log, message: fin}]
        """).holds("a", "deaf")
    rota.app.executions.cancel(run.id)
    run.wait()
    assert run.state == "cancelled"
    assert run.states == {"a": "cancelled", "fin": "success"}
    assert "ignored its cancel" in run.error("a")
    probe.gate("deaf").set()
    eventually(lambda: bool(probe.seen.get("ended deaf")))
    assert run.states["a"] == "cancelled", "what comes late is refused"
    assert rota.run("tasks: [{id: next, type: log, message: x}]").state == "success"
