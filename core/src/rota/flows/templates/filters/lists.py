"""Filters for lists: picking, ordering, grouping."""

from __future__ import annotations

from itertools import islice, zip_longest
from typing import Any

from jinja2 import Undefined, pass_context, pass_environment
from jinja2.filters import (
    do_batch,
    do_dictsort,
    do_first,
    do_groupby,
    do_last,
    do_map,
    do_reject,
    do_rejectattr,
    do_select,
    do_selectattr,
    do_slice,
    do_sort,
)

from rota.errors import ExpressionError
from rota.flows.templates.access import member
from rota.flows.templates.arithmetic import kind
from rota.flows.templates.budget import MAX_DEPTH, MAX_ITEMS, MAX_RANGE, current, over
from rota.flows.templates.data import fail_undefined, measure
from rota.flows.templates.undefined import Missing


def attributes(values: Any, path: str | int) -> list[Any]:
    """Return the value at `path` (`a.b.0`) of each of `values`."""
    keys = [path] if isinstance(path, int) else [int(key) if key.isdigit() else key for key in path.split(".")]
    found = []
    for value in values:
        inner = value
        for key in keys:
            inner = member(current(), inner, key, "…")
        if isinstance(inner, Undefined):
            fail_undefined(inner)
        found.append(inner)
    return found


def as_list(value: Any) -> list[Any]:
    """Return the items of `value`: of a text its characters, of a mapping its keys."""
    items = list(islice(value, MAX_ITEMS + 1))
    current().may_make(items=len(items))
    return items


def _check_order(value: Any, attribute: Any) -> Any:
    evaluation = current()
    if len(value) > MAX_RANGE or (attribute is None and measure(evaluation, value)[0] > MAX_RANGE):
        raise over(f"orders more than {MAX_RANGE:,} values")
    evaluation.step(len(value))
    return value


@pass_environment
def sort(
    environment: Any, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None
) -> Any:
    """Return `value` in order, or in the order of an attribute."""
    return do_sort(environment, _check_order(value, attribute), reverse, case_sensitive, attribute)


@pass_environment
def groupby(environment: Any, value: Any, attribute: Any, default: Any = None, case_sensitive: bool = False) -> Any:
    """Return pairs of an attribute's value (`.grouper`) and the items that have it (`.list`), in order."""
    return do_groupby(environment, _check_order(value, attribute), attribute, default, case_sensitive)


def dictsort(value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False) -> list[list[Any]]:
    """Return the pairs of a mapping in the order of their key, or of their value."""
    return [list(pair) for pair in do_dictsort(_check_order(value, "key"), case_sensitive, by, reverse)]  # type: ignore[arg-type]


def batch(value: Any, size: int, fill_with: Any = None) -> Any:
    """Return `value` in lists of `size` items, the last filled up with `fill_with`."""
    _check_count(size)
    return do_batch(value, size, fill_with)


def slices(value: Any, count: int, fill_with: Any = None) -> Any:
    """Return `value` in `count` lists of about the same size."""
    _check_count(count)
    return do_slice(value, count, fill_with)


def _check_count(count: int) -> None:
    if not 0 < count <= MAX_RANGE:
        raise ExpressionError(f"the number must be between 1 and {MAX_RANGE:,}")


def reverse(value: Any) -> Any:
    """Return a text or list from its end."""
    return value[::-1]


def length(value: Any) -> int:
    """Return how many items, or characters, there are."""
    try:
        return len(value)
    except TypeError:
        raise ExpressionError(f"{kind(value)} has no length") from None


def flatten(value: Any, levels: int | None = None, skip_nulls: bool = True) -> list[Any]:
    """Return the items of the lists inside of `value` in one list, `levels` deep (default: all)."""
    found: list[Any] = []

    def add(items: list[Any], left: int) -> None:
        for item in items:
            if isinstance(item, list) and left > 0:
                add(item, left - 1)
            elif item is not None or not skip_nulls:
                found.append(item)

    add(value, MAX_DEPTH if levels is None else levels)
    return found


def zipped(value: Any, *others: Any) -> list[list[Any]]:
    """Return lists of the first items, the second ones, …, as far as the shortest goes."""
    return [list(items) for items in zip(value, *others, strict=False)]


def zipped_longest(value: Any, *others: Any, fillvalue: Any = None) -> list[list[Any]]:
    """Return lists of the first items, the second ones, …, as far as the longest goes."""
    return [list(items) for items in zip_longest(value, *others, fillvalue=fillvalue)]


def extract(key: Any, container: Any, morekeys: Any = ()) -> Any:
    """Return `container[key]`, and on along `morekeys`: for `keys | map('extract', mapping)`."""
    for step in (key, *(morekeys if isinstance(morekeys, list) else [morekeys] if morekeys != () else [])):
        container = member(current(), container, step, "…")
    return container


@pass_environment
def first(environment: Any, value: Any) -> Any:
    """Return the first item."""
    return _some_item(do_first(environment, value), "first")


@pass_environment
def last(environment: Any, value: Any) -> Any:
    """Return the last item."""
    return _some_item(do_last(environment, value), "last")


def _some_item(item: Any, which: str) -> Any:
    return Missing.at(f"the {which} item of nothing") if isinstance(item, Undefined) else item


def _with_context(function: Any) -> Any:
    """Return Jinja's generator `function` under its own name, for one list at a time."""

    @pass_context
    def apply(context: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return function(context, value, *args, **kwargs)

    return apply


HANDING_ON = {
    "first": first,
    "last": last,
    "length": length,
    "count": length,
    "list": as_list,
    "extract": extract,
    "map": _with_context(do_map),
    "select": _with_context(do_select),
    "reject": _with_context(do_reject),
    "selectattr": _with_context(do_selectattr),
    "rejectattr": _with_context(do_rejectattr),
}
FILTERS = {
    "batch": batch,
    "dictsort": dictsort,
    "flatten": flatten,
    "groupby": groupby,
    "reverse": reverse,
    "slice": slices,
    "sort": sort,
    "zip": zipped,
    "zip_longest": zipped_longest,
}
