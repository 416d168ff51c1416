"""Asks a person at the terminal for inputs that are missing; secrets are not shown while they are typed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rota.flows.given import Typed
    from rota.flows.inputs import InputKeys


def ask_missing(specs: Sequence[InputKeys], given: Mapping[str, Typed], zone: tzinfo = UTC) -> dict[str, Typed]:
    """Return `given` with what a person answered for the inputs that must be given and are not.

    Without a terminal nobody is asked: whoever parses the inputs says which are missing.
    """
    from rota.flows.given import missing_inputs

    answers = dict(given)
    if sys.stdin.isatty() and sys.stderr.isatty():
        for spec in missing_inputs(specs, given):
            answers[spec.id] = _ask(spec, zone)
    return answers


def _ask(spec: InputKeys, zone: tzinfo) -> Typed:
    from rota.flows.given import Typed

    def typed(text: str) -> Typed:
        try:
            spec.parse_text(text, zone)
        except ValueError as error:
            raise click.UsageError(f"`{spec.id}` {error}") from None
        return Typed(text)

    choices = getattr(spec, "values", None)
    about = f" ({spec.description})" if spec.description else ""
    options = f" [{', '.join(str(choice) for choice in choices)}]" if isinstance(choices, list) else ""
    answer: Typed = click.prompt(
        f"{spec.id}{about}{options}", value_proc=typed, hide_input=spec.type == "secret", err=True
    )
    return answer
