"""The filter `json_query`: JMESPath within the budget."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rota.errors import ExpressionError
from rota.flows.templates.budget import MAX_RANGE, current, over
from rota.flows.templates.data import measure, plain

if TYPE_CHECKING:
    from jmespath.functions import Functions
    from jmespath.visitor import TreeInterpreter

_MAX_QUERY = 2_000


@lru_cache(1)
def _classes() -> tuple[type[TreeInterpreter], type[Functions]]:
    """Return JMESPath's interpreter and functions with a budget; built when the first query runs."""
    from jmespath.functions import Functions
    from jmespath.visitor import TreeInterpreter

    class Interpreter(TreeInterpreter):
        def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
            current().step()
            return super().visit(node, *args, **kwargs)

        def visit_flatten(self, node: Any, value: Any) -> Any:
            base = self.visit(node["children"][0], value)
            return _flattened(base) if isinstance(base, list) else None

        def visit_comparator(self, node: Any, value: Any) -> Any:
            for child in node["children"]:
                measure(current(), self.visit(child, value))
            return super().visit_comparator(node, value)

    class BoundedFunctions(Functions):
        def call_function(self, function_name: str, resolved_args: Any) -> Any:
            _check_arguments(function_name, resolved_args)
            return super().call_function(function_name, resolved_args)

    return Interpreter, BoundedFunctions


def _flattened(items: list[Any]) -> list[Any]:
    evaluation = current()
    total = sum(len(item) if isinstance(item, list) else 1 for item in items)
    evaluation.may_make(items=total)
    evaluation.step(total)
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def _check_arguments(function: str, args: Any) -> None:
    evaluation = current()
    sizes = [measure(evaluation, arg) for arg in args if isinstance(arg, (list, dict, str))]
    evaluation.step(sum(nodes for nodes, _, _ in sizes))
    if function in ("sort", "max", "min") and any(nodes > MAX_RANGE for nodes, _, _ in sizes):
        raise over(f"orders more than {MAX_RANGE:,} values")
    if function in ("sort_by", "max_by", "min_by") and isinstance(args[0], list) and len(args[0]) > MAX_RANGE:
        raise over(f"orders more than {MAX_RANGE:,} values")
    if function == "join" and isinstance(args[0], str) and isinstance(args[1], list):
        evaluation.may_make(text=len(args[0]) * len(args[1]) + sizes[1][1])


def json_query(value: Any, query: str) -> Any:
    """Return what the JMESPath `query` finds in `value`, null when nothing."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    if len(query) > _MAX_QUERY:
        raise over(f"has a query of more than {_MAX_QUERY} characters")
    interpreter, functions = _classes()
    try:
        parsed = jmespath.compile(query).parsed
        options = jmespath.Options(custom_functions=functions())
        found = interpreter(options).visit(parsed, value)
    except JMESPathError as error:
        raise ExpressionError(f"the query `{query[:60]}` failed: {error}") from None
    return plain(current(), found)


FILTERS = {"json_query": json_query}
