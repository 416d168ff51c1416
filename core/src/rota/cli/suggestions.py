"""What the shell offers for an argument: executions, flows, types; nothing where it cannot be had at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from rota.server.application import Application

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_MOST = 200


def _from_store(find: Callable[[Application, str], Iterable[tuple[str, str]]]) -> Complete:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from rota.cli.application import application_of

        try:
            app = application_of(ctx)
            # A look must not make a database.
            found = list(find(app, incomplete)) if _is_there(app) else []
        except Exception:  # noqa: BLE001 - a shell that completes must not print errors
            return []
        return [CompletionItem(text, help=about) for text, about in found if text.startswith(incomplete)]

    return complete


def _is_there(app: Application) -> bool:
    scheme, _, path = app.settings.store.partition(":///")
    return not scheme.startswith("sqlite") or Path(path.partition("?")[0]).is_file()


def _executions(app: Application, incomplete: str) -> Iterable[tuple[str, str]]:
    from rota.cli.formats import short_id

    yield "latest", "the one that you started last"
    for row in app.executions.list(limit=_MOST):
        short = short_id(row["id"])
        yield row["id"] if len(incomplete) > len(short) else short, f"{row['namespace']}/{row['flow']} {row['state']}"


def _flows(app: Application, _incomplete: str) -> Iterable[tuple[str, str]]:
    for row in app.flows.list(limit=_MOST):
        yield f"{row['namespace']}/{row['id']}", f"revision {row['number']}"


executions: Complete = _from_store(_executions)
"""Offers the ids of the newest executions."""
flows: Complete = _from_store(_flows)
"""Offers the names of deployed flows."""


def flows_and_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of deployed flows, and files."""
    return [*flows(ctx, param, incomplete), CompletionItem(incomplete, type="file")]


def types(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of types: imports every plugin, but none of what plugins import when they run."""
    from rota.plugins import Plugins
    from rota.registration import KINDS

    plugins = Plugins()
    names = sorted({name for kind in KINDS for name in plugins.type_names(kind)})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
