"""`rota check`: finds what is wrong with flows before they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application
from rota.cli.checking import findings_in
from rota.cli.output import note
from rota.server.flow_files import flow_files

if TYPE_CHECKING:
    from rota.server.application import Application

FAULTY, WARNED = 2, 3


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["human", "json", "github", "sarif"]),
    default="human",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--namespace", help="Check as if the flows were in this namespace.")
@click.option("--strict", is_flag=True, help="Exit with 3 when there are warnings.")
@pass_application
def command(app: Application, paths: tuple[Path, ...], form: str, namespace: str | None, strict: bool) -> None:
    """Find what is wrong with flows before they run: in files, and in folders of them.

    Without a PATH it takes those of the setting `flows`.

    Nothing is run. Exits with 2 when there is an error. --format json prints a list of findings: file, line, column,
    severity (error or warning), code, message, hint; github prints annotations; sarif a log in SARIF 2.1.0.
    """
    from rota.flows.reporting import report

    files = flow_files(app, paths)
    findings = [finding for path in files for finding in findings_in(app, path, namespace, files=files)]
    click.echo(report(findings, form, sources=_sources(files) if form == "human" else None), nl=False)
    if not findings and form == "human":
        note(f"nothing found in {len(files)} {'flow' if len(files) == 1 else 'flows'}")
    if any(finding.severity == "error" for finding in findings):
        raise click.exceptions.Exit(FAULTY)
    if findings and strict:
        raise click.exceptions.Exit(WARNED)


def _sources(files: list[Path]) -> dict[str, str]:
    return {str(path): path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()}
