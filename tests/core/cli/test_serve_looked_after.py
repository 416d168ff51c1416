"""`rota serve` as those see it who keep it running: probes, logs, systemd, and settings that change under it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.cli.calls import PROGRAM, SLOW, Rota, wait_for
from tests.lab.postgres import Postgres

SETTINGS = "home: .rota\ndurability: process\n"


@contextmanager
def serving(rota: Rota, *options: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Start a server and wait until it serves; it is killed with the block if it has not ended."""
    with subprocess.Popen(
        [*PROGRAM, "serve", *options],
        cwd=rota.path,
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_to(process: subprocess.Popen[str], text: str) -> list[str]:
    """Read the log up to the line that holds `text`, and return the lines."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"no line with {text!r} in {lines}")


def end(process: subprocess.Popen[str]) -> str:
    """Have a server end, and return the rest of its log."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return err


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    patience = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < patience, "it never came"
        time.sleep(0.05)


def asked(url: str) -> tuple[int, dict[str, Any]]:
    """Ask a probe: its status, and what it says."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_probes_say_that_it_is_ready_and_that_it_drains(rota: Rota) -> None:
    rota.write("rota.yaml", SETTINGS + "drain_timeout: 1h\n")
    rota.ok("flows", "deploy", rota.write("slow.yaml", SLOW.replace("sleep 300", "echo asleep; exec sleep 300")))
    execution = rota.ok("run", "team/slow", "--detach").out.strip()
    with serving(rota, "--probe-port", "0", "--probe-file", "probe") as server:
        url = read_to(server, "probes listen on")[-1].split()[-1]
        read_to(server, "serving")
        until(lambda: asked(f"{url}/ready")[0] == 200)
        assert asked(f"{url}/live") == (200, {"live": True, "reason": ""})
        assert asked(f"{url}/elsewhere")[0] == 404
        until(lambda: Path("probe").read_text() == "ready\n")
        with rota.begin("executions", "logs", "-f", execution) as logs:
            wait_for(logs, "nap | asleep")
            logs.terminate()
            logs.communicate(timeout=60)
        server.send_signal(signal.SIGTERM)
        until(lambda: asked(f"{url}/ready") == (503, {"ready": False, "reason": "it is draining"}))
        assert asked(f"{url}/live")[0] == 200
        until(lambda: Path("probe").read_text() == "not ready\n")
        end(server)
    assert not Path("probe").exists()


def test_the_probe_file_is_touched_while_it_lives(rota: Rota) -> None:
    with serving(rota, "--probe-file", "probe") as server:
        read_to(server, "serving")
        until(Path("probe").exists)
        before = Path("probe").stat().st_mtime_ns
        until(lambda: Path("probe").stat().st_mtime_ns > before)
        end(server)


def test_a_port_that_is_taken_is_told_of_in_a_line(rota: Rota) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = rota.program("serve", "--probe-port", str(taken.getsockname()[1]))
    assert result.returncode == 2
    assert "the probes cannot listen on 127.0.0.1:" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_log_is_json_a_line_where_that_is_asked_for(rota: Rota) -> None:
    with serving(rota, "--log-format", "json") as server:
        lines = read_to(server, "serving")
        lines += end(server).splitlines()
    entries = [json.loads(line) for line in lines]
    assert all(entry.keys() >= {"time", "level", "logger", "message"} for entry in entries)
    assert [entry["message"] for entry in entries if entry["logger"] == "rota.server"][-2:] == ["draining", "stopped"]


def test_an_error_is_json_too(rota: Rota) -> None:
    result = rota.program("serve", "--log-format", "json", "--only", "nonsense")
    assert result.returncode == 2
    entry = json.loads(result.stderr.splitlines()[-1])
    assert entry["level"] == "critical"
    assert "there is no part `nonsense`" in entry["message"]


def test_only_the_parts_that_are_asked_for_run(rota: Rota) -> None:
    rota.write("rota.yaml", SETTINGS + "flows: [flows]\n")
    rota.write("flows/hello.yaml", Path("hello.yaml").read_text())
    with serving(rota, "--only", "flows, hooks", "--only", "triggers") as server:
        read_to(server, "deployed team/hello revision 1")
        execution = rota.ok("run", "team/hello", "--detach").out.strip()
        time.sleep(1.5)
        end(server)
    assert rota.ok("executions", "show", execution, "--json").json["state"] == "created"


@contextmanager
def systemd(path: Path) -> Iterator[socket.socket]:
    """Listen as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(60)
        yield channel


def heard(channel: socket.socket, state: str) -> dict[str, str]:
    """Wait until a state is told, and return all that the message says."""
    while True:
        message = dict(line.split("=", 1) for line in channel.recv(4096).decode().splitlines())
        if state in message:
            return message


def test_systemd_is_told_how_it_goes(rota: Rota, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "n"
    with systemd(path) as channel, serving(rota, NOTIFY_SOCKET=str(path), WATCHDOG_USEC="3000000") as server:
        assert heard(channel, "READY")["READY"] == "1"
        heard(channel, "WATCHDOG")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.send_signal(signal.SIGHUP)
        assert int(heard(channel, "RELOADING")["MONOTONIC_USEC"]) >= before
        heard(channel, "READY")
        server.send_signal(signal.SIGTERM)
        heard(channel, "STOPPING")
        server.communicate(timeout=60)
    assert server.returncode == 0


def test_sighup_puts_other_settings_in_force(rota: Rota) -> None:
    rota.write("tell.yaml", "id: tell\nnamespace: team\ntasks: [{id: say, type: log, message: '{{ vars.word }}'}]\n")
    rota.write("rota.yaml", SETTINGS + "namespaces: {team: {variables: {word: before}}}\n")
    rota.ok("flows", "deploy", "tell.yaml")
    with serving(rota) as server:
        read_to(server, "serving")
        assert "say | before" in rota.ok("run", "team/tell").out
        rota.write("rota.yaml", SETTINGS + "namespaces: {team: {variables: {word: after}}}\nworkers: 3\n")
        server.send_signal(signal.SIGHUP)
        lines = read_to(server, "read the settings anew: changed `namespaces`")
        assert any("restart the server for what has changed of `workers`" in line for line in lines)
        assert "say | after" in rota.ok("run", "team/tell").out
        end(server)


def test_settings_that_are_wrong_leave_those_of_before_in_force(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    with serving(rota) as server:
        read_to(server, "serving")
        rota.write("rota.yaml", SETTINGS + "timezone: Mars/Olympus\n")
        server.send_signal(signal.SIGHUP)
        read_to(server, "the settings are wrong, those of before stay in force")
        assert "rota.yaml:3:11" in read_to(server, "Mars/Olympus")[-1]
        rota.write("rota.yaml", SETTINGS)
        assert "greet | hello, world" in rota.ok("run", "team/hello").out
        end(server)


def test_sighup_begins_with_a_folder_of_flows_that_was_added(rota: Rota) -> None:
    rota.write("flows/hello.yaml", Path("hello.yaml").read_text())
    with serving(rota) as server:
        read_to(server, "serving")
        rota.write("rota.yaml", SETTINGS + "flows: [flows]\n")
        server.send_signal(signal.SIGHUP)
        read_to(server, "deployed team/hello revision 1")
        end(server)


def test_sighup_begins_to_tell_people_by_a_sink_that_was_added(rota: Rota) -> None:
    rota.write("bad.yaml", "id: bad\nnamespace: team\ntasks: [{id: a, type: fail, message: on purpose}]\n")
    rota.ok("flows", "deploy", "bad.yaml")
    with serving(rota) as server:
        read_to(server, "serving")
        assert rota("run", "team/bad", "--quiet").code == 1
        sink = "sinks: [{id: chat, type: webhook, url: 'http://127.0.0.1:9/'}]\n"
        rota.write("rota.yaml", SETTINGS + sink + "alerts: [{id: ops, to: [chat], about: [execution], group: 0s}]\n")
        server.send_signal(signal.SIGHUP)
        read_to(server, "read the settings anew: changed `sinks`, `alerts`")
        assert rota("run", "team/bad", "--quiet").code == 1
        until(lambda: bool(rota.ok("alerts", "list", "--json").json["alerts"]))
        (alert,) = rota.ok("alerts", "list", "--json").json["alerts"]
        assert [delivery["sink"] for delivery in alert["deliveries"]] == ["chat"]
        end(server)


def test_a_server_whose_database_goes_is_unready_but_alive_until_that_comes_back(
    rota: Rota, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Postgres.start() as postgres, postgres.database() as url:
        monkeypatch.setenv("ROTA_STORE", url)
        # Killed, a database has what was committed with `durability: power`, the default.
        rota.write("rota.yaml", "home: .rota\nlease: 3s\n")
        rota.ok("migrate")
        with serving(rota, "--probe-port", "0") as server:
            probe = read_to(server, "probes listen on")[-1].split()[-1]
            read_to(server, "serving")
            until(lambda: asked(f"{probe}/ready")[0] == 200)
            postgres.kill()
            until(lambda: asked(f"{probe}/ready")[0] == 503)
            assert asked(f"{probe}/live")[0] == 200
            postgres.restart()
            until(lambda: asked(f"{probe}/ready")[0] == 200)
            end(server)
