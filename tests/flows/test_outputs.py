"""Big outputs, artifacts, logs in volume, clients, metrics, work folders, memory."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from rota.errors import FlowError
from tests.flows import probe
from tests.flows.harness import Rota, eventually


def test_a_big_output_is_an_artifact_and_read_when_touched(make_rota: Callable[..., Rota]) -> None:
    rota = make_rota(max_inline=400_000)
    run = rota.run("""
        tasks:
          - {id: big, type: output, values: {text: "{{ 'x' * 300000 }}", n: 1}}
          - {id: use, type: output, values: {n: "{{ outputs.big.text | length }}"}}
          - {id: bigger, type: output, values: {text: "{{ 'x' * 500000 }}"}}
          - {id: touch, type: output, values: {n: "{{ outputs.bigger.text | length }}"}, allow_failure: true}
          - {id: dont, type: log, message: "{{ tasks.bigger.state }}"}
        outputs: {n: "{{ outputs.use.n }}"}
        """)
    assert (run.state, run.outputs, run.lines[-1]) == ("warning", {"n": 300_000}, "success")
    assert "max_inline" in run.error("touch")
    assert len(run.output("big")["text"]) == 300_000
    with rota.app.store.read() as conn:
        from rota.store import task_runs

        assert len(task_runs.output(conn, run.id, "", "big") or "") < 1000


def test_a_work_folder_is_the_tasks_own_and_gone_after_it(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: made, type: probe.store, text: hello}
          - {id: sh, type: shell, command: "pwd; ls; echo x > left.txt", artifacts: {left: left.txt}}
          - {id: back, type: shell, files: {in.txt: "{{ outputs.made.file }}"}, command: cat in.txt}
          - {id: py, type: python, code: "import os; print(len(os.listdir('.')))", artifacts: {none: "*.zip"}}
          - {id: all, type: shell, command: seq 30000, stdout: artifact}
          - {id: count, type: output, values: {lines: "{{ read(outputs.all.stdout) | length }}"}}
        outputs: {lines: "{{ outputs.count.lines }}", back: "{{ outputs.back.stdout }}"}
        """)
    assert run.state == "success", run.lines
    assert run.outputs == {"lines": 168894, "back": "hello"}
    assert not Path(probe.seen["workdir"][0]).exists()
    assert not list((rota.home / "work").iterdir())
    assert "left.txt" not in run.lines


def test_metrics_and_progress_are_stored(rota: Rota) -> None:
    run = rota.run("tasks: [{id: a, type: probe.store, text: hello}]")
    assert run.rows["a"]["progress"] == {"done": 1.0, "total": 2.0}
    from sqlalchemy import text

    with rota.app.store.read() as conn:
        (row,) = conn.execute(text("SELECT node, name, value, tags FROM metrics")).all()
    assert (row.node, row.name, row.value, json.loads(row.tags)) == ("a", "bytes", 5.0, {"place": "here"})


def test_lines_in_volume_are_all_there_and_in_order(rota: Rota) -> None:
    run = rota.run("tasks: [{id: a, type: shell, command: seq 30000}, {id: b, type: probe.lines, count: 30000}]")
    assert run.state == "success"
    lines = run.lines
    assert lines[:30000] == [str(number) for number in range(1, 30001)]
    assert len(lines) == 60000


def test_clients_are_lent_kept_and_closed(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: a, type: probe.connect}
          - {id: b, type: probe.connect}
          - {id: broken, type: probe.connect, broken: true, allow_failure: true}
          - {id: c, type: probe.connect}
          - id: f
            type: fleet
            targets: [x, y]
            tasks:
              - {id: one, type: probe.connect, key: "{{ target }}"}
              - {id: two, type: probe.connect, key: "{{ target }}"}
              - {id: all, type: probe.connect, key: all, shared: true}
        """)
    assert run.state == "warning"
    eventually(lambda: len(probe.seen.get("closed", [])) == len(probe.seen["opened"]))
    assert sorted(probe.seen["opened"]) == ["all", "server", "server", "x", "y"] or sorted(probe.seen["opened"]) == [
        "all", "all", "server", "server", "x", "y",
    ]  # fmt: skip


def test_types_that_are_not_allowed_are_refused(make_rota: Callable[..., Rota]) -> None:
    rota = make_rota(namespaces={"a": {"allow": ["log", "probe.*"]}, "a.b": {"allow": ["log"]}})
    assert rota.run("tasks: [{id: l, type: probe.flaky, failures: 0}]", namespace="a").state == "success"
    for namespace, kind in (("a", "shell, command: ls"), ("a.b", "probe.flaky")):
        with pytest.raises(FlowError, match="not allowed in namespace"):
            rota.start(f"tasks: [{{id: l, type: {kind}}}]", namespace=namespace)
    assert rota.run("tasks: [{id: l, type: shell, command: ls}]", namespace="other").state == "success"


@pytest.mark.skipif("os.geteuid() != 0", reason="only root may become another user")
def test_programs_run_as_another_user(make_rota: Callable[..., Rota]) -> None:
    rota = make_rota(namespaces={"low": {"run_as": "nobody"}})
    run = rota.run(
        """
        files: []
        tasks:
          - {id: sh, type: shell, command: "id -un; echo made > f; cat f; echo n=1 >> $ROTA_OUTPUT; cat $ROTA_INPUT",
             input: {a: 1}, artifacts: {f: f}}
          - {id: home, type: shell, command: "ls $ROTA_HOME", env: {ROTA_HOME: "HOME"}, allow_failure: true}
        """.replace('HOME"}', f'{rota.home}"}}'),
        namespace="low",
    )
    assert run.states["sh"] == "success", run.lines
    assert run.lines[:3] == ["nobody", "made", '{"a": 1}']
    assert run.output("sh")["n"] == "1"
    assert run.states["home"] == "warning", "what is Rota's own stays closed"


MEASURED = """
import re, sys
from pathlib import Path
from rota.flows.loader import load_flow
from rota.server.application import Application
from rota.settings import Settings
home = Path(sys.argv[1])
app = Application(Settings(home=home, durability="process"))
app.maintenance.make_key()
id = app.executions.run_file(load_flow(home / "f.yaml"), {})
row = app.executions.wait(id, 110)
# Not `ru_maxrss`, which a new program inherits from the process that started it.
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(row and row["state"], int(peak[1]) // 1024)
app.close()
"""


def peak_of(flow: str, home: Path) -> int:
    """Run a flow in a process of its own, and return how many MiB that had at most."""
    home.mkdir()
    (home / "f.yaml").write_text(textwrap.dedent(flow))
    argv = [sys.executable, "-c", MEASURED, str(home)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=115, check=False)
    assert done.returncode == 0, done.stderr
    state, peak = done.stdout.split()
    assert state == "success", done.stdout + done.stderr
    return int(peak)


def test_ten_thousand_targets_stay_under_300_mb(tmp_path: Path) -> None:
    flow = """
        id: big
        tasks:
          - id: f
            type: fleet
            targets: "{{ range(10000) | list }}"
            rollout: {max_parallel: 50, max_failures: 10%}
            tasks:
              - {id: one, type: output, values: {n: "{{ target }}"}}
              - {id: two, type: log, message: "{{ outputs.one.n }}"}
            collect: {n: outputs.one.n}
        outputs: {n: "{{ outputs.f.counts.total }}"}
        """
    assert peak_of(flow, tmp_path / "home") < 300


def test_a_flood_of_lines_and_output_fills_no_memory(tmp_path: Path) -> None:
    flow = """
        id: flood
        tasks:
          - {id: lines, type: shell, command: "yes 0123456789012345678901234567890123456789 | head -c 30000000"}
          - {id: file, type: shell, command: "head -c 200000000 /dev/zero", stdout: artifact}
          - {id: one, type: shell, command: "head -c 20000000 /dev/zero | tr '\\0' x"}
        """
    assert peak_of(flow, tmp_path / "home") < 300
