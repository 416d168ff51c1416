"""`rota serve`: it takes what is left to it, and goes when it is told to."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.core.cli.calls import SLOW, Rota, wait_for


@contextmanager
def serving(rota: Rota) -> Iterator[subprocess.Popen[str]]:
    """Start a server and wait until it serves; it is gone afterwards, whatever happens."""
    with rota.begin("serve") as process:
        assert process.stderr is not None
        assert "serving" in process.stderr.readline()
        yield process


def test_it_runs_what_was_left_to_it_and_drains_on_sigterm(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    execution = rota.ok("run", "team/hello", "--detach").out.strip()
    with serving(rota) as server:
        rota.ok("executions", "logs", "-f", execution)
        assert rota.ok("executions", "show", execution, "--json").json["state"] == "success"
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "draining" in err


def test_a_run_of_a_deployed_flow_is_handed_to_the_server_that_is_alive(rota: Rota) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    with serving(rota) as server:
        result = rota.ok("run", "team/hello")
        assert "greet | hello, world" in result.out
        assert "no server is alive" not in result.err
        server.terminate()
        server.communicate(timeout=60)


def test_it_does_not_start_with_a_sink_that_cannot_work(rota: Rota) -> None:
    mail = (
        "{id: mail, type: mail, host: \"{{ secret('smtp#host') }}\", sender: \"{{ secret('smtp#from') }}\", to: [a@b.c]"
    )
    rota.write("rota.yaml", f"home: .rota\nsinks:\n  - {mail}, security: ssl}}\n  - {{id: chat, type: log}}\n")
    refused = rota("serve")
    err = refused.err
    assert refused.code == 2
    assert re.search(r"rota\.yaml:3:\d+: `security` must be `starttls`, `tls` or `none`", err)
    rota.write("rota.yaml", f"home: .rota\nsinks:\n  - {mail}}}\n")
    with serving(rota) as server:  # whatever the secrets are
        server.terminate()
        server.communicate(timeout=60)


def test_a_second_signal_does_not_wait_for_what_runs(rota: Rota) -> None:
    rota.write("rota.yaml", "home: .rota\ndurability: process\ndrain_timeout: 1h\n")
    rota.ok("flows", "deploy", rota.write("slow.yaml", SLOW.replace("sleep 300", "echo asleep; exec sleep 300")))
    execution = rota.ok("run", "team/slow", "--detach").out.strip()
    with serving(rota) as server:
        assert server.stderr is not None
        with rota.begin("executions", "logs", "-f", execution) as logs:
            wait_for(logs, "nap | asleep")
            logs.terminate()
            logs.communicate(timeout=60)
        server.send_signal(signal.SIGTERM)
        assert "draining" in server.stderr.readline()
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 0
