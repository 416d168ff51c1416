"""The type that an expression gives, as far as its syntax and what is known of names tell."""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import nodes

from rota.flows.checker.shapes import (
    ANY,
    BOOLEAN,
    DATE,
    DURATION,
    INTEGER,
    LIST,
    NULL,
    NUMBER,
    TEXT,
    Shape,
    mapping,
    shape_of_value,
    union,
)

Lookup = Callable[[tuple[str | int | None, ...]], Shape]
"""Gives the shape of a path of names; `any` for one that does not exist."""

_FILTERS: dict[str, Shape] = {
    **dict.fromkeys(
        "quote lower upper capitalize title trim replace join string to_json to_nice_json tojson to_yaml to_nice_yaml "
        "b64encode b64decode regex_replace regex_escape basename dirname hash md5 sha1 urlencode indent wordwrap "
        "truncate center format strftime date comment".split(),
        TEXT,
    ),
    **dict.fromkeys(("int", "length", "count", "wordcount"), INTEGER),
    **dict.fromkeys(("float", "round"), NUMBER),
    "bool": BOOLEAN,
    **dict.fromkeys(
        "list sort unique map select reject selectattr rejectattr split union intersect difference batch slice "
        "dict2items flatten regex_findall zip".split(),
        LIST,
    ),
    "to_datetime": DATE,
    "duration": DURATION,
}  # fmt: skip
_CALLS = {"now": DATE, "secret": Shape("string", secret=True), "read": TEXT, "file": TEXT, "range": LIST,
          "dict": mapping({}, ANY)}  # fmt: skip
_DEFAULTS = frozenset({"d", "default"})
_ARITHMETIC = (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Add)


def infer(node: nodes.Expr, lookup: Lookup) -> Shape:
    """Return the shape of what the expression `node` gives."""
    if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
        return _chain(node, lookup)
    if isinstance(node, nodes.Const):
        return shape_of_value(node.value) if not isinstance(node.value, str) else Shape("string", values=(node.value,))
    if isinstance(node, (nodes.Compare, nodes.Not, nodes.Test)):
        return BOOLEAN
    if isinstance(node, nodes.CondExpr):
        return union([infer(node.expr1, lookup), infer(node.expr2, lookup) if node.expr2 else NULL])
    if isinstance(node, (nodes.And, nodes.Or)):
        return union([infer(node.left, lookup), infer(node.right, lookup)])
    if isinstance(node, nodes.Concat):
        return Shape("string", secret=any(infer(part, lookup).has_secret for part in node.nodes))
    return _made(node, lookup)


def _made(node: nodes.Expr, lookup: Lookup) -> Shape:
    if isinstance(node, nodes.Filter):
        return _filtered(node, lookup)
    if isinstance(node, nodes.Call):
        return _CALLS.get(node.node.name, ANY) if isinstance(node.node, nodes.Name) else ANY
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return Shape("array", item=union(infer(item, lookup) for item in node.items))
    if isinstance(node, nodes.Dict):
        return mapping(
            {
                str(pair.key.value): infer(pair.value, lookup)
                for pair in node.items
                if isinstance(pair.key, nodes.Const)
            },
            None if all(isinstance(pair.key, nodes.Const) for pair in node.items) else ANY,
        )
    if isinstance(node, _ARITHMETIC):
        return _sum(infer(node.left, lookup), infer(node.right, lookup))
    return ANY


def _chain(node: nodes.Expr, lookup: Lookup) -> Shape:
    keys: list[str | int | None] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            keys.append(node.attr)
        elif isinstance(node.arg, nodes.Slice):
            return ANY
        else:
            known = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, (str, int))
            keys.append(node.arg.value if known else None)  # type: ignore[attr-defined]
        node = node.node
    if isinstance(node, nodes.Name):
        return lookup((node.name, *reversed(keys)))
    shape: Shape | None = infer(node, lookup)
    for key in reversed(keys):
        shape = None if shape is None else shape.step(key)
    return shape or ANY


def _filtered(node: nodes.Filter, lookup: Lookup) -> Shape:
    before = infer(node.node, lookup) if node.node is not None else ANY
    if node.name in _DEFAULTS:
        return union([before, infer(node.args[0], lookup) if node.args else TEXT])
    found = _FILTERS.get(node.name, ANY)
    return Shape(found.kind, found.fields, found.rest, found.item, secret=before.has_secret)


def _sum(left: Shape, right: Shape) -> Shape:
    numbers = {"integer", "number"}
    if left.kinds and right.kinds and left.kinds <= numbers and right.kinds <= numbers:
        return union([left, right]) if left != right else Shape(left.kind)
    if left.kind == right.kind and left.kind in ("string", "array"):
        return Shape(left.kind)
    return ANY
