"""What an expression uses, read from its tree: for `rota check`, before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from rota.errors import ExpressionError

_FORGIVING_FILTERS = frozenset({"d", "default"})
_FORGIVING_TESTS = frozenset({"defined", "undefined"})
_FILTER_TAKERS = frozenset({"map"})
_TEST_TAKERS = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}


@dataclass(frozen=True, slots=True)
class Path:
    """A name and what is looked up in it: `outputs.dump.stdout` is `("outputs", "dump", "stdout")`.

    A key that only a run can tell is None. `guarded` paths may be undefined: they have a default or are
    tested with `is defined`.
    """

    keys: tuple[str | int | None, ...]
    guarded: bool = False

    def __str__(self) -> str:
        return ".".join("…" if key is None else str(key) for key in self.keys)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function by name. An argument that is no literal is `...`."""

    name: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...] = ()
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Uses:
    """What one expression uses. `quoted` says that its result is safe in shell text: it ends in `| quote`."""

    paths: tuple[Path, ...]
    calls: tuple[Call, ...]
    filters: frozenset[str]
    tests: frozenset[str]
    quoted: bool

    @property
    def names(self) -> frozenset[str]:
        """The top-level names, functions not included."""
        return frozenset(str(path.keys[0]) for path in self.paths)


def uses_of(tree: nodes.Expr) -> Uses:
    """Return what the expression `tree` uses. Raises ExpressionError for `*` and `**` in calls."""
    reader = _Reader()
    reader.read(tree, guarded=False)
    return Uses(
        tuple(dict.fromkeys(_guarded(reader.paths))),
        tuple(dict.fromkeys(reader.calls)),
        frozenset(reader.filters),
        frozenset(reader.tests),
        _is_quoted(tree),
    )


def _guarded(paths: list[Path]) -> list[Path]:
    """Guard what is used beside a test of it: `a.b.c if a.b is defined else …`."""
    tested = {path.keys for path in paths if path.guarded}
    return [Path(path.keys, any(path.keys[: len(keys)] == keys for keys in tested)) for path in paths]


class _Reader:
    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.calls: list[Call] = []
        self.filters: set[str] = set()
        self.tests: set[str] = set()

    def read(self, node: nodes.Node, guarded: bool) -> None:
        if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
            self._read_chain(node, guarded)
            return
        if isinstance(node, (nodes.Call, nodes.Filter, nodes.Test)):
            self._read_call(node, guarded)
            return
        # Only what may itself be the result hands a missing value on; all else fails on it.
        passes = guarded and isinstance(node, (nodes.CondExpr, nodes.And, nodes.Or))
        for child in node.iter_child_nodes():
            self.read(child, passes)

    def _read_chain(self, node: nodes.Expr, guarded: bool) -> None:
        keys: list[str | int | None] = []
        while isinstance(node, (nodes.Getattr, nodes.Getitem)):
            if isinstance(node, nodes.Getattr):
                keys.append(node.attr)
            elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, (str, int)):
                keys.append(node.arg.value)
            else:
                keys.append(None)
                self.read(node.arg, guarded=False)
            node = node.node
        if isinstance(node, nodes.Name):
            self.paths.append(Path((node.name, *reversed(keys)), guarded))
        else:
            self.read(node, guarded)

    def _read_call(self, node: nodes.Call | nodes.Filter | nodes.Test, guarded: bool) -> None:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError("`*` and `**` have no place in a call")
        inner = False
        if isinstance(node, nodes.Filter):
            self.filters.add(node.name)
            self._note_inner(node)
            inner = node.name in _FORGIVING_FILTERS
        elif isinstance(node, nodes.Test):
            self.tests.add(node.name)
            inner = node.name in _FORGIVING_TESTS
        elif isinstance(node.node, nodes.Name):
            self.calls.append(_call(node, node.node.name, guarded))
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            self.read(node.node.node, guarded=False)
        elif node.node is not None and not (isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name)):
            self.read(node.node, guarded=inner)
        for child in (*node.args, *node.kwargs):
            self.read(child, guarded=False)

    def _note_inner(self, node: nodes.Filter) -> None:
        """Note the filter or test that `map('upper')` or `select('match', …)` names."""
        position = 0 if node.name in _FILTER_TAKERS else _TEST_TAKERS.get(node.name, -1)
        if 0 <= position < len(node.args):
            name = node.args[position]
            if isinstance(name, nodes.Const) and isinstance(name.value, str):
                (self.filters if node.name in _FILTER_TAKERS else self.tests).add(name.value)


def _call(node: nodes.Call, name: str, guarded: bool) -> Call:
    kwargs = tuple((pair.key, _literal(pair.value)) for pair in node.kwargs)
    return Call(name, tuple(_literal(arg) for arg in node.args), kwargs, guarded)


def _literal(node: nodes.Expr) -> Any:
    return node.value if isinstance(node, nodes.Const) else ...


def _is_quoted(node: nodes.Expr | None) -> bool:
    if isinstance(node, nodes.CondExpr):
        return _is_quoted(node.expr1) and _is_quoted(node.expr2)
    return (isinstance(node, nodes.Filter) and node.name == "quote") or isinstance(node, nodes.Const)


def plain_path(node: nodes.Expr) -> tuple[str | int, ...] | None:
    """Return the keys when `node` is nothing but a chain of names with literal keys, else None."""
    keys: list[str | int] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            keys.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int):
            keys.append(node.arg.value)
        else:
            return None
        node = node.node
    return (node.name, *reversed(keys)) if isinstance(node, nodes.Name) else None
