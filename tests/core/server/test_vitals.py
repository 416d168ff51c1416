"""Whether a server lives and is ready, and what systemd is told of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.server.application import Application
from rota.server.notify import Notifier
from rota.server.probes import ProbeFile
from rota.server.vitals import Health, Vitals


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    file = tmp_path / "rota.yaml"
    file.write_text("home: home\ndurability: process\n")
    with Application.open(file) as app:
        yield app


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "n"))
        channel.settimeout(30)
        yield channel


def test_a_server_whose_loop_stands_still_does_not_live_and_feeds_no_watchdog(
    app: Application, channel: socket.socket, tmp_path: Path
) -> None:
    vitals = Vitals(Notifier(str(tmp_path / "n"), watchdog=True), stuck=2.0)
    conductor = app.conductor(server=True)
    vitals.serving(conductor)
    assert vitals.beat() == Health()
    assert [channel.recv(4096), channel.recv(4096)] == [b"READY=1\nSTATUS=serving", b"WATCHDOG=1"]

    go_on, stands = threading.Event(), threading.Event()

    def stand_still() -> None:
        stands.set()
        go_on.wait(60)

    caller = threading.Thread(target=conductor.call, args=(stand_still,))
    caller.start()
    assert stands.wait(30)
    while not (health := vitals.beat()).not_live:
        time.sleep(0.1)
        channel.recv(4096)
    assert "has not turned for" in health.not_live
    assert health.not_ready == health.not_live
    channel.setblocking(False)
    with pytest.raises(BlockingIOError):
        channel.recv(4096)
    go_on.set()
    caller.join(30)
    while vitals.health() != Health():
        time.sleep(0.05)


def test_a_store_that_refuses_makes_a_server_unready_but_not_dead(app: Application) -> None:
    vitals = Vitals()
    conductor = app.conductor(server=True)
    vitals.serving(conductor)
    conductor.ownership.complain(OSError("no such host"))
    health = vitals.health()
    assert health == Health(not_ready="the store refuses or is out of reach")


def test_a_server_whose_loop_has_ended_does_not_live(app: Application) -> None:
    vitals = Vitals()
    conductor = app.conductor(server=True)
    vitals.serving(conductor)
    app.close()
    assert vitals.health().not_live == "the conductor's loop has ended"


def test_a_watchdog_of_another_process_is_not_fed(channel: socket.socket, tmp_path: Path) -> None:
    env = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    notifier = Notifier.from_environment(env)
    notifier.alive()
    notifier.stopping()
    assert channel.recv(4096) == b"STOPPING=1\nSTATUS=draining"


def test_systemd_that_does_not_listen_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier(str(tmp_path / "nobody")).ready()
    assert "systemd cannot be told `READY=1`" in caplog.text


def test_a_probe_file_that_cannot_be_written_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shown = ProbeFile(tmp_path / "nowhere" / "probe")
    shown.show(Health())
    shown.show(Health())
    assert caplog.text.count("the probe file cannot be written") == 1


def test_a_probe_file_is_left_alone_by_a_server_that_does_not_live(tmp_path: Path) -> None:
    shown = ProbeFile(tmp_path / "probe")
    shown.show(Health())
    before = (tmp_path / "probe").stat().st_mtime_ns
    shown.show(Health("stuck", "stuck"))
    assert (tmp_path / "probe").stat().st_mtime_ns == before
    shown.show(Health(not_ready="it is draining"))
    assert (tmp_path / "probe").read_text() == "not ready\n"
