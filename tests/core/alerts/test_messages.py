"""What people read: a sensible default, or the words of the rule; and the default where those fail."""

from __future__ import annotations

from typing import Any

import pytest

from rota.store import iterations
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import SINKS, Office


def rule(**keys: str) -> str:
    lines = [f"    {name}: {value}" for name, value in keys.items()]
    return f"{SINKS}alerts:\n  - id: ops\n    to: [chat]\n    group: 0s\n" + "\n".join(lines)


def told(office: Office, **columns: Any) -> tuple[str, str]:
    office.ends(**columns)
    office.settle()
    (alert,) = office.got()
    return alert.title, alert.text


def test_the_failed_targets_are_named_with_how_many_there_were(any_office: Open) -> None:
    office = any_office(rule())
    one = office.ends()
    rows = [
        {
            "execution_id": one,
            "path": "",
            "node": "backup",
            "idx": index,
            "key": f"db-{index:02}",
            "state": "failed" if index < 12 else "lost" if index == 12 else "success",
        }
        for index in range(57)
    ]
    other = {"execution_id": one, "path": "", "node": "publish", "idx": 0, "key": "json", "state": "success"}
    with office.store.write() as conn:
        iterations.insert_many(conn, [*rows, other])
    office.settle()
    (alert,) = office.got()
    names = ", ".join(f"db-{index:02}" for index in range(10))
    assert f"targets: 13 of 57 failed: {names}, …" in alert.text.splitlines()


def test_a_rule_tells_it_in_its_own_words(office: Open) -> None:
    words = {
        "title": '"{{ flow.namespace }}/{{ flow.id }}: {{ alert.state | upper }}"',
        "text": '"{{ error.task }} said {{ error.message }}; {{ labels.team }}; run {{ execution.run }};'
        " since {{ alert.since | date('%F') }}; {{ incidents | length }}; {{ targets.count }}\\n{{ alert.text }}\"",
    }
    title, text = told(office(rule(**words)), labels={"team": "data"})
    assert title == "bank/backup: FAILED"
    first, *rest = text.splitlines()
    assert first == "dump said exit code 4"
    assert rest[0] == "failed; data; run 1; since 2026-01-01; 1; 0"
    assert rest[1] == "what: bank/backup failed"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ labels.nothing }}", "labels.nothing"),
        ("{{ 'a' * 100000000 }}", "text of more than"),
        ("{{ range(1000000) | list }}", "range"),
        ("{{ labels }} {{ 1 / 0 }}", "it divides by zero"),
        ("{{ (('x' * 1000) ~ alert.title) | regex_search('(x+)+y') | default(1 / 0) }}", "1 / 0"),
    ],
)
def test_where_its_words_fail_the_default_is_told_and_says_so(office: Open, source: str, reason: str) -> None:
    title, text = told(office(rule(title=f'"{source}"', text=f'"{source}"')))
    assert title == "bank/backup failed"
    assert text.splitlines()[0] == "what: bank/backup failed"
    complaints = text.split("\n\n")[1:]
    assert len(complaints) == 2
    assert complaints[0].startswith("(the `title` of alert rule `ops` cannot be used: ")
    assert complaints[1].startswith("(the `text` of alert rule `ops` cannot be used: ")
    assert reason in complaints[1]


def test_a_recovery_is_told_in_the_words_of_the_rule_too(office: Open) -> None:
    desk = office(rule(title="\"{{ 'over' if alert.recovered else 'bad' }}: {{ flow.id }}\""))
    desk.ends()
    desk.settle(60)
    desk.ends("success")
    desk.settle(60)
    assert desk.titles() == ["bad: backup", "over: backup"]


def test_words_see_all_incidents_of_a_message(office: Open) -> None:
    desk = office(rule(text="\"{{ incidents | map(attribute='flow') | join(',') }}\"") + "\n    namespaces: [bank]")
    desk.all_end(["a", "b", "c"])
    desk.settle()
    (alert,) = desk.got()
    assert alert.text == "a,b,c"
    assert (alert.namespace, alert.flow, alert.execution_id) == ("bank", "", "")


def test_what_came_from_outside_is_no_template(office: Open) -> None:
    problem = {"type": "TaskFailed", "message": "{{ 1 + 1 }} {% raw %}", "task": "dump"}
    _, text = told(office(rule()), problem=problem)
    assert "error: dump: {{ 1 + 1 }} {% raw %}" in text
    desk = office(rule(text='"{{ error.message }}"'))
    desk.ends(flow="other", problem=problem)
    desk.settle()
    assert desk.got()[-1].text == "{{ 1 + 1 }} {% raw %}"


def test_titles_are_one_line_and_texts_are_not_endless(office: Open) -> None:
    problem = {"type": "TaskFailed", "message": "x" * 100_000, "task": "dump"}
    title, text = told(office(rule(title='"a\\nb {{ error.message }}"', text='"{{ error.message }}"')), problem=problem)
    assert title.startswith("a b xxx")
    assert (len(title), len(text)) == (200, 8_000)


def test_a_few_flows_are_told_in_full_and_many_in_lines(office: Open) -> None:
    desk = office(rule())
    desk.all_end(["a", "b"])
    desk.settle()
    desk.all_end([f"flow-{number}" for number in range(7)])
    desk.settle()
    few, many = desk.got()
    assert few.title == "2 flows failed: bank/a, bank/b"
    assert few.text.count("restart: rota executions restart") == 2
    assert many.title == "7 flows failed: bank/flow-0, bank/flow-1, bank/flow-2, …"
    assert many.text.splitlines()[0] == "00:00:00 bank/flow-0 failed: dump: exit code 4"


def test_failures_and_recoveries_in_one_message_are_told_apart(office: Open) -> None:
    desk = office(f"{SINKS}alerts: [{{id: ops, to: [chat], group: 30s}}]")
    desk.ends(flow="a")
    desk.settle(30)
    desk.ends("success", flow="a")
    desk.ends(flow="b")
    desk.settle(30)
    assert desk.titles()[1:] == ["1 flow failed, 1 well again: bank/b, bank/a"]
    assert (desk.got()[1].state, desk.got()[1].severity) == ("failed", "error")


def test_times_are_in_the_timezone_of_the_settings(office: Open) -> None:
    _, text = told(office(rule() + "\ntimezone: Europe/Paris\n"))
    assert "since: 2026-01-01 01:00:00 CET" in text
