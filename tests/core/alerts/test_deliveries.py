"""Messages reach their sinks: once, later where a sink is down, in few where there are many."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest

from rota import Alert, Context
from rota.alerts import post
from rota.store import deliveries
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import SINKS, Office, Recorder, refuse, turn

BOTH = SINKS + "alerts: [{id: ops, to: [chat, mail], group: 0s}]\n"


def states(office: Office, sink: str = "chat") -> list[str]:
    return [row["state"] for row in office.deliveries() if row["sink"] == sink]


def test_a_message_goes_to_each_sink_with_an_id_of_its_own(any_office: Open) -> None:
    office = any_office(BOTH)
    office.ends()
    office.settle()
    (chat,), (mail,) = office.got("chat"), office.got("mail")
    assert (chat.title, chat.text) == (mail.title, mail.text)
    assert chat.id != mail.id
    rows = office.deliveries()
    assert {row["id"] for row in rows} == {chat.id, mail.id}
    assert len({row["message"] for row in rows}) == 1
    assert [(row["state"], row["attempts"], row["sent_at"]) for row in rows] == [("sent", 1, office.now)] * 2


def test_a_sink_that_is_down_gets_it_later_with_the_same_id(any_office: Open) -> None:
    office = any_office(BOTH)
    tried: list[tuple[float, str]] = []

    def down(alert: Alert, ctx: Context) -> None:
        tried.append((office.now, alert.id))
        if len(tried) < 5:
            raise ConnectionError("connection refused")

    office.behave("chat", down)
    office.ends()
    office.pass_time(300)
    assert len(office.got("mail")) >= 1
    (alert, *_) = office.got("chat")
    of_it = [at for at, one in tried if one == alert.id]
    assert [later - earlier for earlier, later in pairwise(of_it)] == [10, 20, 40, 80]
    (row,) = [row for row in office.deliveries() if row["id"] == alert.id]
    assert (row["state"], row["attempts"], row["last_error"]) == ("sent", 5, None)


def test_a_failed_try_says_why(office: Open) -> None:
    desk = office(BOTH)
    desk.behave("chat", refuse("connection refused"))
    desk.ends()
    desk.settle()
    (row,) = [row for row in desk.deliveries() if row["sink"] == "chat"]
    assert (row["state"], row["attempts"], row["last_error"]) == (
        "queued",
        1,
        "ConnectionError: connection refused",
    )


def test_waits_grow_to_a_quarter_of_an_hour_and_after_a_day_it_is_given_up(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], group: 0s, about: [execution]}]\n")
    tried: list[float] = []

    def down(alert: Alert, ctx: Context) -> None:
        if alert.title == "bank/backup failed":
            tried.append(desk.now)
        raise ConnectionError("connection refused")

    desk.behave("chat", down)
    desk.ends()
    desk.pass_time(post.GIVE_UP + 3600, step=60)
    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert max(waits) <= post.LONGEST_WAIT + 60
    assert waits == sorted(waits)
    (row,) = [row for row in desk.deliveries() if row["alert"]["title"] == "bank/backup failed"]
    assert (row["state"], row["next_at"]) == ("failed", None)
    with desk.store.write() as conn:
        assert deliveries.send_again(conn, [row["id"]], at=desk.now) == 1
    desk.behave("chat", lambda *_: None)
    desk.pass_time(60)
    assert "bank/backup failed" in desk.titles()


def test_a_slow_sink_holds_up_no_other(office: Open) -> None:
    desk = office(BOTH)
    going, begun = threading.Event(), threading.Event()

    def slow(alert: Alert, ctx: Context) -> None:
        begun.set()
        assert going.wait(30)

    desk.behave("chat", slow)
    desk.ends()
    desk.ends(flow="billing")
    desk.evaluator.turn()
    desk.evaluator.turn()
    assert begun.wait(30)
    desk.ends(flow="inventory")
    for _ in range(1000):
        desk.evaluator.turn()
        if len(desk.titles("mail")) == 2:
            break
        threading.Event().wait(0.01)
    assert desk.titles("mail") == ["2 flows failed: bank/backup, bank/billing", "bank/inventory failed"]
    assert desk.got("chat") == []
    going.set()
    turn(desk.evaluator)
    assert desk.titles("chat") == desk.titles("mail")


def test_a_sink_that_hangs_is_told_of_on_the_others(office: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "HANGS", 0.0)
    desk = office(SINKS + "alerts: [{id: a, to: [chat], group: 0s}, {id: b, to: [mail], about: [sink], group: 0s}]\n")
    hung: list[Any] = []

    def hang(alert: Alert, ctx: Context) -> None:
        hung.append(alert)
        assert ctx.cancelled.wait(30), "nobody asked the sink to give up"
        raise TimeoutError("gave up")

    desk.behave("chat", hang)
    desk.ends()
    for _ in range(1000):
        desk.evaluator.turn()
        if "sink `chat` fails" in " ".join(desk.titles("mail")):
            break
        threading.Event().wait(0.01)
    (alert, *_) = [one for one in desk.got("mail") if one.title.startswith("sink `chat` fails")]
    assert "has not answered for" in alert.text
    turn(desk.evaluator)
    assert {row["last_error"] for row in desk.deliveries() if row["sink"] == "chat" and row["attempts"]} == {
        "TimeoutError: gave up"
    }


def test_a_sink_that_refuses_half_gets_each_message_once(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], group: 0s, recovery: false, about: [execution]}]\n")
    count = 0

    def every_second(alert: Alert, ctx: Context) -> None:
        nonlocal count
        count += 1
        if count % 2:
            raise ConnectionError("try again")

    desk.behave("chat", every_second)
    for number in range(20):
        desk.ends(flow=f"flow-{number:02}")
        desk.pass_time(30)
    desk.pass_time(1800, step=10)
    got = desk.got("chat")
    assert sorted(alert.title for alert in got) == [f"bank/flow-{number:02} failed" for number in range(20)]
    assert len({alert.id for alert in got}) == 20
    assert set(states(desk)) == {"sent"}


def test_a_message_that_a_sink_never_takes_holds_up_no_other(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], group: 0s, about: [execution]}]\n")

    def picky(alert: Alert, ctx: Context) -> None:
        if "poison" in alert.title:
            raise ValueError("too long")

    desk.behave("chat", picky)
    desk.ends(flow="poison")
    desk.settle()
    for number in range(15):
        desk.ends(flow=f"flow-{number:02}")
        desk.pass_time(120, step=10)
    assert desk.titles() == [f"bank/flow-{number:02} failed" for number in range(15)]
    assert states(desk).count("queued") == 1


def test_a_crash_between_sending_and_committing_sends_it_again_with_the_same_id(any_office: Open) -> None:
    office = any_office(BOTH)
    office.ends()
    office.evaluator.turn()  # queues the message, and gives it to the sinks
    while office.evaluator._post.busy():
        threading.Event().wait(0.01)
    assert len(office.got("chat")) == 1
    assert states(office) == ["queued"]
    office.evaluator = office.another()  # the first one is gone with what it knew
    office.settle()
    assert states(office) == ["sent"]
    ids = [alert.id for alert in office.got("chat")]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_an_evaluator_that_is_stopped_writes_down_what_was_on_its_way(office: Open) -> None:
    desk = office(BOTH)
    stop, begun = threading.Event(), threading.Event()

    def slow(alert: Alert, ctx: Context) -> None:
        begun.set()
        assert stop.wait(30)

    desk.behave("chat", slow)
    desk.ends()
    thread = threading.Thread(target=desk.evaluator.run, args=(stop,))
    thread.start()
    assert begun.wait(30)
    stop.set()
    thread.join(30)
    assert (states(desk), len(desk.got())) == (["sent"], 1)
    desk.evaluator = desk.another()
    desk.pass_time(60)
    assert len(desk.got()) == 1


def test_what_is_sent_is_sent_once_although_the_store_refuses_to_note_it(office: Open) -> None:
    desk = office(BOTH)
    desk.ends()
    desk.evaluator.turn()
    while desk.evaluator._post.busy():
        threading.Event().wait(0.01)
    desk.refuse = OSError("no space is left")
    with pytest.raises(OSError, match="no space"):
        desk.evaluator.turn()
    desk.pass_time(60)
    assert (len(desk.got("chat")), states(desk)) == (1, ["sent"])


def test_a_failing_sink_is_told_of_on_the_others_until_it_works_again(any_office: Open) -> None:
    office = any_office(SINKS + "alerts: [{id: ops, to: [chat], group: 0s, about: [execution]}]\n")
    office.behave("chat", refuse("connection refused"))
    office.ends()
    office.pass_time(120)
    (alert,) = office.got("mail")
    assert (alert.title, alert.severity) == ("sink `chat` fails", "error")
    assert "error: takes no messages: ConnectionError: connection refused" in alert.text
    office.behave("chat", lambda *_: None)
    office.pass_time(200)
    assert office.titles("mail") == ["sink `chat` fails", "well again: sink `chat` fails"]
    assert office.titles("chat") == ["bank/backup failed"]


def test_a_sink_is_not_told_of_its_own_failure(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat, mail], group: 0s}]\n")
    desk.behave("chat", refuse())
    desk.ends()
    desk.pass_time(120)
    assert "sink `chat` fails" in desk.titles("mail")
    titles = {row["alert"]["title"] for row in desk.deliveries() if row["sink"] == "chat"}
    assert titles == {"bank/backup failed"}


def test_where_the_only_rule_names_the_sink_that_fails_the_others_are_told(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], group: 0s}]\n")
    desk.behave("chat", refuse())
    desk.ends()
    desk.pass_time(120)
    assert desk.titles("mail") == ["sink `chat` fails"]


def test_with_one_sink_that_fails_nobody_is_told_and_the_log_says_so(
    office: Open, caplog: pytest.LogCaptureFixture
) -> None:
    desk = office("sinks: [{id: chat, type: record}]\nalerts: [{id: ops, to: [chat], group: 0s}]\n")
    desk.behave("chat", refuse())
    desk.ends()
    desk.pass_time(120)
    assert "nobody can be told: sink `chat` fails" in caplog.text
    desk.behave("chat", lambda *_: None)
    desk.pass_time(300)
    assert desk.titles()[0] == "bank/backup failed"


def test_a_limit_holds_messages_back_and_puts_them_together(any_office: Open) -> None:
    sinks = "sinks: [{id: chat, type: record, limit: {messages: 3, per: 10m}}]\n"
    office = any_office(sinks + "alerts: [{id: ops, to: [chat], group: 0s, recovery: false}]\n")
    for number in range(12):
        office.ends(flow=f"flow-{number:02}")
        office.settle(10)
    assert office.titles() == [f"bank/flow-{number:02} failed" for number in range(3)]
    office.pass_time(700, step=10)
    assert len(office.got()) == 4
    digest = office.got()[3]
    assert digest.title.startswith("9 alerts: bank/flow-03 failed; bank/flow-04 failed; bank/flow-05 failed")
    assert "- bank/flow-11 failed: dump: exit code 4" in digest.text
    assert states(office).count("merged") == 9
    merged = [row for row in office.deliveries() if row["state"] == "merged"]
    assert {row["merged_into"] for row in merged} == {digest.id}


def test_a_sink_that_was_down_long_gets_one_message_of_what_it_missed(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], group: 0s, about: [execution]}]\n")
    desk.behave("chat", refuse())
    for number in range(40):
        desk.ends(flow=f"flow-{number:02}")
        desk.pass_time(60, step=20)
    desk.behave("chat", lambda *_: None)
    desk.pass_time(2000, step=20)
    assert len(desk.got()) < 6
    text = "\n".join(alert.title + alert.text for alert in desk.got())
    assert "alerts: bank/flow-00 failed; bank/flow-01 failed; bank/flow-02 failed" in text
    assert set(states(desk)) == {"sent", "merged"}


def test_a_sink_that_the_settings_do_not_have_any_more_is_waited_for(office: Open) -> None:
    desk = office(BOTH)
    desk.behave("chat", refuse())
    desk.ends()
    desk.settle()
    file = desk.settings.file
    assert file is not None
    fewer = Office(desk.store, file.parent, "sinks: [{id: mail, type: record}]\n")
    fewer.now = desk.now + 60
    fewer.settle()
    (row,) = [row for row in fewer.deliveries() if row["sink"] == "chat"]
    assert row["state"] == "queued"
    assert "there is no sink `chat`" in row["last_error"]
    Recorder.behaviours.clear()
    again = Office(desk.store, file.parent, BOTH)
    again.now = fewer.now
    again.pass_time(60)
    assert again.titles("chat") == ["bank/backup failed"]
