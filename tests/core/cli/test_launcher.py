"""The launcher itself: finding commands, telling what went wrong, importing little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rota as package
from rota.cli.launcher import COMMANDS
from tests.core.cli.calls import PROGRAM, Rota

HEAVY = {"pydantic", "sqlalchemy", "rich", "jinja2", "yaml", "pluggy", "cryptography", "rota.plugins", "rota.builtin"}


def modules_after(*arguments: str) -> set[str]:
    """The modules that a program has imported once `rota ARGUMENTS` is done."""
    code = (
        f"import sys; from rota.cli.launcher import launch; launch({list(arguments)!r}); print(); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("run", "--help"), ("executions", "restart", "--help"), ("--version",)]
)
def test_help_imports_neither_plugins_nor_the_database_library(arguments: tuple[str, ...]) -> None:
    assert modules_after(*arguments) & HEAVY == set()


def test_listing_executions_imports_no_plugin(rota: Rota) -> None:
    assert modules_after("executions", "list") & {"rota.builtin", "rich", "rota.conductor.conductor"} == set()


def test_help_names_every_command(rota: Rota) -> None:
    out = rota.ok("--help").out
    for name in COMMANDS:
        assert f"\n  {name} " in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_how_it_is_used(rota: Rota, name: str) -> None:
    assert rota.ok(name, "--help").out.startswith(f"Usage: rota {name}")


def test_the_version_is_that_of_the_package(rota: Rota) -> None:
    assert rota.ok("--version").out == f"rota {package.__version__}\n"


def test_it_runs_as_a_module_and_as_a_program() -> None:
    run = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == f"rota {package.__version__}\n"


def test_an_unknown_command_is_wrong_use(rota: Rota) -> None:
    result = rota("dance")
    assert result.code == 2
    assert result.err.startswith("error: no such command `dance`")
    assert "hint: `rota --help`" in result.err


def test_an_unknown_option_names_the_help_of_its_command(rota: Rota) -> None:
    result = rota("flows", "list", "--colour")
    assert result.code == 2
    assert "`rota flows list --help`" in result.err


def test_an_error_is_a_line_and_a_hint_without_a_traceback(rota: Rota) -> None:
    result = rota("executions", "show", "0123")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: there is no execution `0123`\nhint: `rota executions list` shows them\n"


@pytest.mark.parametrize("ask", ["option", "variable"])
def test_an_error_has_its_traceback_when_asked_for(rota: Rota, ask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if ask == "variable":
        monkeypatch.setenv("ROTA_DEBUG", "1")
    result = rota(*(["-v"] if ask == "option" else []), "executions", "show", "0123")
    assert result.code == 2
    assert "Traceback (most recent call last)" in result.err
    assert "error: there is no execution `0123`" in result.err


def test_a_fault_of_rota_is_one_line_and_its_traceback_in_a_file(rota: Rota, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_over(*_: object, **__: object) -> None:
        raise ZeroDivisionError("on\npurpose")

    monkeypatch.setattr("rota.server.executions.Executions.list", fall_over)
    monkeypatch.setattr("tempfile.tempdir", str(rota.path))
    result = rota("executions", "list")
    assert result.code == 70
    assert result.err.startswith("error: a fault in Rota: ZeroDivisionError: on purpose\nhint: the traceback is in")
    [file] = rota.path.glob("rota-*.traceback")
    assert "fall_over" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_wrong_settings_name_file_line_and_column(rota: Rota) -> None:
    rota.write("rota.yaml", "home: .rota\nworkers: many\n")
    result = rota("executions", "list")
    assert result.code == 2
    assert result.err.startswith("error: rota.yaml:2:10: `workers` must be")


def test_settings_can_be_named(rota: Rota) -> None:
    rota.write("other/mine.yaml", "home: home\n")
    rota.ok("--settings", "other/mine.yaml", "run", "hello.yaml")
    assert (rota.path / "other/home/rota.db").is_file()
    assert not (rota.path / ".rota").exists()


def test_commands_that_it_tells_of_name_the_settings_that_it_was_given(rota: Rota) -> None:
    assert "rota --settings rota.yaml executions logs" in rota.ok("--settings", "rota.yaml", "run", "hello.yaml").out


def test_settings_that_are_not_there_are_wrong_use(rota: Rota) -> None:
    result = rota("--settings", "nowhere.yaml", "executions", "list")
    assert result.code == 2
    assert "nowhere.yaml" in result.err


def test_a_pipe_that_nobody_reads_is_no_fault(rota: Rota) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        run = subprocess.run(
            [*PROGRAM, "plugins"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            cwd=rota.path,
        )
    assert (run.returncode, run.stderr) == (141, "")


def test_colours_are_left_out_where_there_is_no_terminal(rota: Rota) -> None:
    assert "\x1b" not in rota.ok("run", "hello.yaml").out


class PluginCommand:
    """Writes packages that bring a command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, dist: str, name: str, module: str, code: str) -> None:
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rota.commands]\n{name} = {module}:command\n")


@pytest.fixture
def plugin_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginCommand:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return PluginCommand(folder)


COUNTING = """
import click

@click.command()
@click.pass_obj
def command(app):
    "Count the executions."
    click.echo(len(app.executions.list(limit=10)))
"""


def test_a_plugin_brings_a_command_which_gets_the_application(rota: Rota, plugin_command: PluginCommand) -> None:
    plugin_command.install("rota-count", "count", "rota_count_one", COUNTING)
    rota.ok("run", "hello.yaml")
    assert rota.ok("count").out == "1\n"


def test_help_names_the_commands_of_plugins_without_importing_them(rota: Rota, plugin_command: PluginCommand) -> None:
    plugin_command.install("rota-count", "count", "rota_count_two", "raise RuntimeError")
    assert "count  From rota-count." in rota.ok("--help").out
    assert "rota_count_two" not in sys.modules


def test_a_plugin_command_that_cannot_be_imported_is_named_with_the_reason(
    rota: Rota, plugin_command: PluginCommand
) -> None:
    plugin_command.install("rota-count", "count", "rota_count_three", "raise RuntimeError('no such luck')")
    result = rota("count")
    assert result.code == 2
    assert "the command `count` of rota-count cannot be imported: RuntimeError: no such luck" in result.err


def test_two_plugins_with_the_same_command_are_both_named(rota: Rota, plugin_command: PluginCommand) -> None:
    plugin_command.install("rota-count", "count", "rota_count_four", COUNTING)
    plugin_command.install("rota-tally", "count", "rota_count_five", COUNTING)
    result = rota("count")
    assert result.code == 2
    assert "rota-count and rota-tally" in result.err


def test_a_plugin_cannot_replace_a_command_of_ours(rota: Rota, plugin_command: PluginCommand) -> None:
    plugin_command.install("rota-run", "plugins", "rota_count_six", COUNTING)
    assert "rota_count_six" not in rota.ok("plugins", "list").out
    assert rota.ok("plugins", "list").out.startswith("core ")
