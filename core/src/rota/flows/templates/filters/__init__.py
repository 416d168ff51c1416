"""The filters of expressions, named as Ansible names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rota.flows.templates.filters import (
    choices,
    collections,
    dates,
    encodings,
    lists,
    numbers,
    paths,
    queries,
    regexes,
    sets,
    text,
)
from rota.flows.templates.filters.bounds import bounded, handing_on


def builtin_filters() -> dict[str, Callable[..., Any]]:
    """Return every built-in filter by name, under the budget."""
    found = {name: handing_on(function, lenient=True) for name, function in choices.LENIENT.items()}
    for module in (choices, lists):
        found |= {name: handing_on(function) for name, function in module.HANDING_ON.items()}
    for table in (collections, dates, encodings, lists, numbers, paths, queries, regexes, sets, text):
        found |= {name: bounded(function) for name, function in table.FILTERS.items()}
    return found
