"""`rota alerts silence`: for a while nobody is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.alerts.kinds import KINDS
from rota.cli.application import author, command_line, pass_application
from rota.cli.output import print_json, say
from rota.errors import UsageError

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.option("--for", "duration", metavar="DURATION", required=True, help="For how long: `2h`.")
@click.option("--namespace", help="What is in this namespace, or below it.")
@click.option("--flow", metavar="NAMESPACE/ID", help="What is of this flow.")
@click.option("--rule", help="What this rule tells: `ops`, or `NAMESPACE/ID:ops` of a flow.")
@click.option("--kind", type=click.Choice(KINDS), help="What is of this kind.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="What has this label.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--reason", default="", help="Why.")
@options.as_json
@pass_application
def command(
    app: Application,
    duration: str,
    namespace: str | None,
    flow: str | None,
    rule: str | None,
    kind: str | None,
    labels: tuple[str, ...],
    everything: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Tell nobody, for a while, of what fits all that is given; what still lasts at the end is told then.

    --json prints: silence (its number).
    """
    if not (everything or namespace or flow or rule or kind or labels):
        raise UsageError("this would silence everything", hint="say what it is for, or give --all")
    if flow is not None:
        namespace, flow = options.flow_name(flow)
    number = app.alerts.silence(
        options.duration_of(duration, "--for"),
        namespace=namespace,
        flow=flow,
        rule=rule,
        kind=kind,
        labels=options.labels_of(labels),
        reason=reason,
        author=author(),
    )
    if as_json:
        print_json({"silence": number})
    else:
        say(f"silence {number} holds for {duration}; `{command_line(f'alerts unsilence {number}')}` ends it")
