"""What went wrong, told in a line on stderr and as an exit code; no traceback for a user's mistake."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from rota.cli.colours import paint
from rota.errors import FlowError, RotaError

INTERNAL = 70
"""The exit code of a fault in Rota itself: EX_SOFTWARE of sysexits.h."""
INTERRUPTED = 130
PIPE_CLOSED = 141


def exit_code_of(run: Callable[[], object], *, verbose: bool = False) -> int:
    """Call `run` and return the exit code for how it ended; with `verbose`, errors come with their traceback."""
    try:
        run()
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (KeyboardInterrupt, click.Abort):
        tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return forget_stdout()
    except click.ClickException as error:
        return _usage(error)
    except RotaError as error:
        if verbose:
            _traceback()
        tell_error(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it is, it ends in a line and an exit code
        return _unexpected(error, verbose=verbose)
    return 0


def tell_error(error: RotaError) -> None:
    """Print an error and its hint on stderr; the findings of a flow each with its place."""
    if isinstance(error, FlowError):
        from rota.flows.reporting import report

        click.echo(report(error.findings, sources=_sources(error)), nl=False, err=True)
        return
    tell(error.message, error.hint)


def tell(message: str, hint: str = "", kind: str = "error") -> None:
    """Print `error: message` and `hint: …` on stderr; each line of the message is one, indented ones belong to it."""
    for line in message.splitlines() or [""]:
        click.echo(line if line.startswith(" ") else f"{paint(f'{kind}:', 'red', err=True)} {line}", err=True)
    if hint:
        click.echo(f"{paint('hint:', 'cyan', err=True)} {hint}", err=True)


def forget_stdout() -> int:
    """Have nothing more written to a pipe that nobody reads; return the exit code for it."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return PIPE_CLOSED


def _sources(error: FlowError) -> dict[str, str]:
    """Return the texts of the files that findings are in, as far as they can be read."""
    texts = {}
    for name in {finding.place.file for finding in error.findings}:
        with suppress(OSError):
            texts[name] = Path(name).read_text(encoding="utf-8", errors="replace")
    return texts


def _usage(error: click.ClickException) -> int:
    message = error.format_message().strip().removesuffix(".")
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"`{error.ctx.command_path} --help` tells how it is used"
    tell(message[:1].lower() + message[1:].replace("'", "`"), hint)
    return error.exit_code


def _unexpected(error: Exception, *, verbose: bool) -> int:
    summary = f"a fault in Rota: {type(error).__name__}: {' '.join(str(error).split())}"
    if verbose:
        _traceback()
        tell(summary, "please report it with the traceback above")
        return INTERNAL
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="rota-", suffix=".traceback", delete=False) as file:
        traceback.print_exc(file=file)
    tell(summary, f"the traceback is in `{file.name}`; please report it")
    return INTERNAL


def _traceback() -> None:
    import traceback

    traceback.print_exc()
