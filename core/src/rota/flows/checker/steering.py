"""Checks that no secret steers the flow or is shown."""

from __future__ import annotations

from collections.abc import Sequence

from rota.flows.checker.examination import Examination
from rota.flows.checker.shapes import Shape
from rota.flows.checker.spots import Spot
from rota.flows.templates import Found

_HINT = "use secrets only in fields of tasks that run on a worker"


def check_secrets(exam: Examination, spot: Spot, found: Found, shapes: Sequence[Shape]) -> None:
    """Report a secret in an expression where none may be. `shapes` are of the paths that the expression reads."""
    uses = found.expression.uses
    if not spot.steers:
        return
    source = found.expression.source
    if any(call.name == "secret" for call in uses.calls):
        what, at = "`secret()`", max(source.find("secret"), 0)
    else:
        secrets = [path for path, shape in zip(uses.paths, shapes, strict=False) if shape.has_secret]
        if not secrets:
            return
        what, at = f"`{secrets[0]}`, which is secret,", max(source.find(str(secrets[0])), 0)
    owner = f" of task `{spot.site.id}`" if spot.site and spot.site.id else ""
    message = f"{what} cannot be used in `{spot.root}`{owner}: it {spot.steers}"
    place = exam.place((*spot.path, *found.keys), found.offset + at)
    exam.report("secret-not-allowed", message, spot.path, _HINT, place=place)
