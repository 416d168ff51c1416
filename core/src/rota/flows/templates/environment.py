"""Jinja's parser and code generator, on a sandbox in which every operation goes through the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from rota.errors import ExpressionError
from rota.flows.templates import access, arithmetic, calls
from rota.flows.templates.budget import Evaluation, current
from rota.flows.templates.data import plain
from rota.flows.templates.filters import builtin_filters
from rota.flows.templates.filters.bounds import bounded
from rota.flows.templates.predicates import builtin_tests
from rota.flows.templates.undefined import Missing, join_path

_RESULT = "__result"
Run = Callable[[Evaluation], Any]


class _Names(Context):
    """Looks names up in the mapping of the current evaluation, one at a time: they may load on touch."""

    def resolve_or_missing(self, key: str) -> Any:
        evaluation = current()
        value = access.name(evaluation, key)
        return calls.GLOBALS.get(key, value) if isinstance(value, Missing) else value


class _Generator(CodeGenerator):
    """Writes calls of the environment where Jinja writes an operator, and the path that is looked up with it."""

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802
        self._member(node.node, nodes.Const(node.attr), frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        if not isinstance(node.arg, nodes.Slice):
            return self._member(node.node, node.arg, frame)
        bounds = [bound or nodes.Const(None) for bound in (node.arg.start, node.arg.stop, node.arg.step)]
        self._call("part", [node.node, *bounds], frame)
        self.write(")")
        return None

    def _member(self, owner: nodes.Expr, key: nodes.Expr, frame: Frame) -> None:
        self._call("member", [owner, key], frame)
        self.write(f"{written(owner)!r})")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self._call("concat", node.nodes, frame)
        self.write(")")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self._call("compare", [node.expr], frame)
        for operand in node.ops:
            self.write(f"({operand.op!r}, ")
            self.visit(operand.expr, frame)
            self.write("), ")
        self.write(")")

    def _call(self, method: str, args: list[nodes.Expr], frame: Frame) -> None:
        self.write(f"environment.{method}(")
        for arg in args:
            self.visit(arg, frame)
            self.write(", ")


def written(node: nodes.Expr) -> str:
    """Return how a chain of names is written, `…` for what is no name."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return join_path(written(node.node), node.attr)
    if isinstance(node, nodes.Getitem):
        return join_path(written(node.node), node.arg.value if isinstance(node.arg, nodes.Const) else ...)
    return "…"


class Sandbox(SandboxedEnvironment):
    """The environment of all expressions. `more_filters` gives those of plugins, once one is asked for."""

    code_generator_class = _Generator
    context_class = _Names
    intercepted_binops = frozenset(SandboxedEnvironment.default_binop_table)
    intercepted_unops = frozenset(SandboxedEnvironment.default_unop_table)

    def __init__(self, more_filters: Callable[[], Mapping[str, Callable[..., Any]]]) -> None:
        super().__init__(undefined=Missing, optimized=False, autoescape=False, cache_size=0)
        self.globals.clear()
        self.filters: dict[str, Callable[..., Any]] = builtin_filters()
        self.tests: dict[str, Callable[..., Any]] = builtin_tests()  # type: ignore[assignment]
        self._more_filters = more_filters

    def load_more_filters(self) -> None:
        """Add the filters of plugins; the built-in ones cannot be replaced."""
        for name, function in self._more_filters().items():
            self.filters.setdefault(name, bounded(function))

    def parse_one(self, source: str) -> nodes.Expr:
        """Return the tree of the expression `source`. Raises jinja2.TemplateSyntaxError."""
        parser = Parser(self, source, state="variable")
        node = parser.parse_expression()
        if not parser.stream.eos:
            parser.fail(f"unexpected `{str(parser.stream.current.value)[:20]}`", parser.stream.current.lineno)
        node.set_environment(self)
        return node

    def runner(self, node: nodes.Expr) -> Run:
        """Return the function that evaluates the tree `node` for an evaluation, which must be the current one."""
        assign = nodes.Assign(nodes.Name(_RESULT, "store"), node, lineno=1)
        template = nodes.Template([assign], lineno=1)
        template.set_environment(self)
        root = self.from_string(template).root_render_func

        def run(_evaluation: Evaluation) -> Any:
            context = _Names(self, {}, None, {})
            for _ in root(context):
                pass
            return context.vars[_RESULT]

        return run

    # What generated code calls, and Jinja's own filters for attributes.

    def member(self, owner: Any, key: Any, path: str = "") -> Any:
        return access.member(current(), owner, key, path)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return access.member(current(), obj, argument, "")

    def getattr(self, obj: Any, attribute: str) -> Any:
        return access.member(current(), obj, attribute, "")

    def part(self, owner: Any, *bounds: Any) -> Any:
        evaluation = current()
        owner = plain(evaluation, owner)
        if not isinstance(owner, (str, list)):
            raise ExpressionError(f"{arithmetic.kind(owner)} has no parts")
        try:
            return calls.settled(evaluation, owner[slice(*(plain(evaluation, bound) for bound in bounds))])
        except (TypeError, ValueError) as error:
            raise ExpressionError(f"the bounds of a part must be whole numbers: {error}") from None

    def concat(self, *values: Any) -> str:
        return arithmetic.concat(current(), values)

    def compare(self, first: Any, *rest: tuple[str, Any]) -> bool:
        return arithmetic.compare(current(), first, rest)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        return calls.call(current(), obj, args, kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return arithmetic.binary(current(), operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        return arithmetic.unary(current(), operator, arg)
