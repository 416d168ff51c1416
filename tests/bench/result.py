"""What a benchmark found, beside its floor and its aim, and how that is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One figure. `floor` is what the bare parts do, `aim` what Rota should; `less` says that less is better."""

    name: str
    setup: str
    unit: str
    measured: float
    floor: float | None = None
    aim: float | None = None
    less: bool = False

    def __str__(self) -> str:
        beside = "" if self.floor is None else f", floor {_number(self.floor)}"
        return f"{self.name} ({self.setup}): {_number(self.measured)} {self.unit}{beside}"

    @property
    def ratio(self) -> float | None:
        """How many times the floor was measured; 1 is as good as the floor."""
        return self.measured / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the aim was met; None where there is none."""
        if self.aim is None:
            return None
        return self.measured <= self.aim if self.less else self.measured >= self.aim


def as_json(results: Iterable[Result]) -> str:
    """Return the results as a JSON list."""
    rows = [{**asdict(result), "ratio": result.ratio, "met": result.met} for result in results]
    return json.dumps(rows, indent=2)


def show(results: Iterable[Result]) -> None:
    """Print the results as a table."""
    table = Table(title="Rota beside its floor", title_justify="left")
    for column in ("benchmark", "setup"):
        table.add_column(column)
    for column in ("measured", "floor", "ratio", "aim"):
        table.add_column(column, justify="right")
    table.add_column("unit")
    table.add_column("met")
    for result in results:
        table.add_row(*_cells(result))
    # A table in a file or a pipe is not to be cut at 80 columns.
    Console(width=None if Console().is_terminal else 120).print(table)


def _cells(result: Result) -> list[str]:
    limit = "≤" if result.less else "≥"
    met = {None: "", True: "yes", False: "[bold red]no"}[result.met]
    return [
        result.name,
        result.setup,
        _number(result.measured),
        "" if result.floor is None else _number(result.floor),
        "" if result.ratio is None else f"{result.ratio:.2f}",
        "" if result.aim is None else f"{limit} {_number(result.aim)}",
        result.unit,
        met,
    ]


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
