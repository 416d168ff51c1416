"""`rota completion`: what makes a shell complete commands, options, executions, flows and types."""

from __future__ import annotations

import click

from rota.cli.output import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: add `eval "$(rota completion bash)"` to ~/.bashrc. zsh: `eval "$(rota completion zsh)"` in ~/.zshrc. fish:
    `rota completion fish > ~/.config/fish/completions/rota.fish`.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    say(found(ctx.find_root().command, {}, "rota", "_ROTA_COMPLETE").source())
