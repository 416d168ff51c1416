"""`rota plugins list`: what is installed, and what of it is broken and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.colours import paint
from rota.cli.output import print_json, say

if TYPE_CHECKING:
    from rota.plugins import PluginInfo
    from rota.server.application import Application


@click.command()
@options.as_json
@pass_application
def command(app: Application, as_json: bool) -> None:
    """List the installed plugins with their types; those that cannot be used with the reason.

    --json prints: plugins (name, dist, version, module, types (names by kind), broken (the reason, or empty)).
    """
    plugins = app.plugins.all()
    if as_json:
        keys = ("name", "dist", "version", "module", "types", "broken")
        print_json({"plugins": [{key: getattr(plugin, key) for key in keys} for plugin in plugins]})
        return
    for plugin in plugins:
        _print(plugin)


def _print(plugin: PluginInfo) -> None:
    say(f"{plugin.name}  {plugin.dist} {plugin.version}")
    if plugin.broken:
        say(f"  {paint('broken:', 'red')} {plugin.broken}")
    for kind, names in plugin.types.items():
        say(f"  {kind}: {', '.join(names)}")
