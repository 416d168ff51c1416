"""`rota doctor`: looks at all that Rota needs, and says what to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.colours import paint
from rota.cli.formats import clean
from rota.cli.output import print_json, say

if TYPE_CHECKING:
    from rota.server.application import Application
    from rota.server.looking import Check

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@options.as_json
@pass_application
def command(app: Application, as_json: bool) -> None:
    """Look at all that Rota needs, and say what to do.

    The database and its schema, the clock, disks, the secret key, artifacts, plugins, secret backends, sinks, servers,
    and what is known to be wrong. Nothing is changed, but for a file that an artifact store of a plugin gets and loses
    again. What does not answer within some seconds is an error. It exits with 1 if there is an error, not for warnings.
    --json prints: ok, checks (name, state (ok, warning, error), message, hint).
    """
    from rota.server.doctor import examine

    checks = []
    for check in examine(app):
        checks.append(check)
        if not as_json:
            _print(check)
    counts = Counter(check.state for check in checks)
    if as_json:
        print_json({"ok": not counts["error"], "checks": [check.as_record() for check in checks]})
    else:
        say(", ".join((f"{counts['ok']} ok", _many(counts["warning"], "warning"), _many(counts["error"], "error"))))
    if counts["error"]:
        raise click.exceptions.Exit(1)


def _print(check: Check) -> None:
    first, *rest = clean(check.message).splitlines() or [""]
    say(f"{paint(f'{check.state:<7}', _COLOURS[check.state])}  {check.name:<10}  {first}")
    for line in [*rest, *([f"→ {clean(check.hint)}"] if check.hint else [])]:
        say(f"{'':21}{line}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
