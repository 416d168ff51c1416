"""`rota triggers`: what starts flows, looked at and steered from the command line."""

from __future__ import annotations

import pytest

from tests.core.cli.calls import Rota

FLOW = """\
id: nightly
namespace: team
inputs: [{id: day, type: string, default: none}]
triggers:
  - {id: night, type: schedule, cron: "0 2 * * *", timezone: Europe/Paris, inputs: {day: "{{ trigger.date | date('%F') }}"}}
  - {id: hook, type: webhook}
tasks: [{id: say, type: log, message: "{{ inputs.day }}"}]
"""
NIGHT = ("team/nightly", "night")


@pytest.fixture
def deployed(rota: Rota) -> Rota:
    rota.ok("flows", "deploy", rota.write("nightly.yaml", FLOW))
    return rota


def test_a_list_without_triggers_says_so(rota: Rota) -> None:
    assert "no deployed flow has a trigger" in rota.ok("triggers", "list").err


def test_the_list_tells_what_is_on_and_has_stable_keys(deployed: Rota) -> None:
    out = deployed.ok("triggers", "list", "--namespace", "team").out
    assert "team/nightly" in out
    assert "night" in out
    found = deployed.ok("triggers", "list", "--flow", "team/nightly", "--json").json["triggers"]
    assert {row["trigger"] for row in found} == {"night", "hook"}
    keys = "namespace flow trigger type enabled disabled next_at last_at execution failures last_error updated_at"
    assert set(found[0]) == set(keys.split())
    assert deployed.ok("triggers", "list", "--namespace", "other", "--json").json == {"triggers": []}


def test_the_next_dates_of_a_schedule(deployed: Rota) -> None:
    found = deployed.ok("triggers", "next", *NIGHT, "-n", "2", "--after", "2026-07-01T00:00:00+00:00", "--json").json
    assert [row["date"] for row in found["dates"]] == ["2026-07-02T00:00:00+00:00", "2026-07-03T00:00:00+00:00"]
    assert "2026-07-02 00:00:00" in deployed.ok("triggers", "next", *NIGHT, "--after", "2026-07-01T00:00:00+00:00").out
    result = deployed("triggers", "next", "team/nightly", "hook")
    assert (result.code, "is no schedule" in result.err) == (2, True)


def test_a_trigger_is_shown_with_its_definition(deployed: Rota) -> None:
    out = deployed.ok("triggers", "show", *NIGHT).out
    assert "cron: 0 2 * * *" in out
    assert "next:" in out
    shown = deployed.ok("triggers", "show", *NIGHT, "--json").json
    assert shown["definition"]["cron"] == "0 2 * * *"
    assert len(shown["upcoming"]) == 5


def test_a_trigger_is_switched_off_and_on(deployed: Rota) -> None:
    assert "disabled team/nightly night" in deployed.ok("triggers", "disable", *NIGHT).out
    assert "is disabled already" in deployed.ok("triggers", "disable", *NIGHT).out
    assert deployed.ok("triggers", "show", *NIGHT, "--json").json["enabled"] is False
    assert "enabled team/nightly night" in deployed.ok("triggers", "enable", *NIGHT).out


def test_a_trigger_is_fired_for_a_date_and_a_server_runs_it(deployed: Rota) -> None:
    execution = deployed.ok("triggers", "fire", *NIGHT, "--date", "2026-03-01T02:00:00+01:00").out.strip()
    shown = deployed.ok("executions", "show", execution, "--json").json
    assert (shown["inputs"], shown["state"]) == ({"day": "2026-03-01"}, "created")
    assert shown["trigger"]["id"] == "night"
    other = deployed.ok("triggers", "fire", *NIGHT, "-i", "day=mine").out.strip()
    assert deployed.ok("executions", "show", other, "--json").json["inputs"] == {"day": "mine"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "team/nightly", "nothing"), "has no trigger `nothing`"),
        (("show", "team/other", "night"), "there is no flow `team/other`"),
        (("fire", *NIGHT, "--event", "[1]"), "is a JSON object"),
        (("fire", *NIGHT, "-i", "wrong=1"), "the flow has no such input"),
        (("backfill", *NIGHT, "--since", "soon"), "--since"),
        (("backfill", *NIGHT, "--since", "2026-01-02", "--until", "2026-01-01"), "ends before it begins"),
        (("backfills", "pause", "9"), "there is no backfill 9"),
    ],
)
def test_what_makes_no_sense_is_told(deployed: Rota, arguments: tuple[str, ...], message: str) -> None:
    result = deployed("triggers", *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_backfill_is_looked_at_before_it_begins_and_steered_after(deployed: Rota) -> None:
    period = ("--since", "2026-03-01", "--until", "2026-03-04")
    dates = deployed.ok("triggers", "backfill", *NIGHT, *period, "--dry-run", "--json").json["dates"]
    assert dates == [f"2026-03-0{day}T01:00:00+00:00" for day in (1, 2, 3)]
    assert "3 dates" in deployed.ok("triggers", "backfill", *NIGHT, *period, "--dry-run").err
    assert deployed.ok("triggers", "backfills", "list", "--json").json == {"backfills": []}
    begun = deployed.ok("triggers", "backfill", *NIGHT, *period, "-i", "day=x")
    assert "backfill 1" in begun.out
    assert "no server is alive" in begun.err
    deployed.ok("triggers", "backfills", "pause", "1")
    assert "paused" in deployed.ok("triggers", "backfills", "list").out
    deployed.ok("triggers", "backfills", "resume", "1")
    deployed.ok("triggers", "backfills", "cancel", "1")
    assert deployed.ok("triggers", "backfills", "list", "--active", "--json").json == {"backfills": []}
    assert deployed("triggers", "backfills", "resume", "1").code == 1
