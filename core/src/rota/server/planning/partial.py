"""Renders what can be rendered before a run: the rest stays as it is written, secrets are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from rota.errors import ExpressionError, RotaError
from rota.executions.values import plain
from rota.flows.templates import Expression, compile_expression, compile_value, secret_values
from rota.flows.templates.scan import split
from rota.server.planning.models import PlannedValue

Names = dict[str, Any]


class NotKnown(RotaError):
    """Something that only a run can tell; `message` says what."""


class SecretUsed(RotaError):
    """A secret; `message` is its name."""


class Unknown(Mapping[str, Any]):
    """A value that only a run can tell: whatever is done with it says so."""

    def __init__(self, what: str) -> None:
        self._what = what

    def _fail(self, *_: Any) -> NoReturn:
        raise NotKnown(self._what)

    def __getitem__(self, key: str) -> NoReturn:
        raise NotKnown(f"{self._what}.{key}" if self._what in ("outputs", "tasks", "execution") else self._what)

    def __iter__(self) -> Iterator[str]:
        self._fail()

    def __len__(self) -> int:  # noqa: PLE0303  # it returns nothing at all
        self._fail()

    __bool__ = __contains__ = __eq__ = __ne__ = _fail
    __hash__ = object.__hash__


class Partly(Mapping[str, Any]):
    """A mapping of which some values are known; asked for one of the `others` it says what that is.

    `others` are names, and whether each is a secret.
    """

    def __init__(self, what: str, known: Mapping[str, Any], others: Mapping[str, bool]) -> None:
        self._what, self._known, self._others = what, known, others

    def __getitem__(self, key: str) -> Any:
        if key in self._known:
            return self._known[key]
        if key in self._others:
            raise (SecretUsed if self._others[key] else NotKnown)(f"{self._what}.{key}")
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        for key in self._others:
            if key not in self._known:
                self[key]
        return iter(self._known)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(slots=True)
class _Notes:
    unknown: dict[str, None] = field(default_factory=dict)
    secrets: dict[str, None] = field(default_factory=dict)
    problem: str = ""


def render(value: Any, names: Names, *, expression: bool = False) -> PlannedValue:
    """Return `value` with `names` as far as it can be rendered; `expression` says that braces are optional."""
    notes = _Notes()
    found = _bare(value, names, notes) if expression and isinstance(value, str) else _tree(value, names, notes)
    return PlannedValue(value=found, unknown=[*notes.unknown], secrets=[*notes.secrets], problem=notes.problem)


def exact(value: Any, names: Names) -> Any:
    """Return `value` rendered as a run does. Raises NotKnown, SecretUsed and ExpressionError."""
    return compile_value(value).render(names)


def _tree(value: Any, names: Names, notes: _Notes) -> Any:
    if isinstance(value, str):
        return _text(value, names, notes)
    if isinstance(value, dict):
        return {key: _tree(item, names, notes) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tree(item, names, notes) for item in value]
    return plain(compile_value(value).render({}))


def _bare(source: str, names: Names, notes: _Notes) -> Any:
    try:
        compiled = compile_expression(source)
    except ExpressionError as error:
        notes.problem = notes.problem or error.message
        return source
    if compiled.is_literal:
        return compiled.render({})
    return _value(compiled.expressions[0].expression, names, notes)


def _text(text: str, names: Names, notes: _Notes) -> Any:
    try:
        found = list(compile_value(text).expressions)
    except ExpressionError as error:
        notes.problem = notes.problem or error.message
        return text
    if not found:
        return text
    if found[0].whole:
        return _value(found[0].expression, names, notes)
    expressions = iter(found)
    return "".join(
        _embedded(next(expressions).expression, names, notes) if piece.is_expression else piece.text
        for piece in split(text)
    )


def _value(expression: Expression, names: Names, notes: _Notes) -> Any:
    try:
        value = expression.render(names)
    except RotaError as error:
        return _instead(expression, error, notes)
    if any(True for _ in secret_values(value)):
        return _instead(expression, SecretUsed(expression.source), notes)
    return plain(value)


def _embedded(expression: Expression, names: Names, notes: _Notes) -> str:
    try:
        return expression.text_of(expression.evaluate(names))
    except RotaError as error:
        return _instead(expression, error, notes)


def _instead(expression: Expression, error: RotaError, notes: _Notes) -> str:
    if isinstance(error, SecretUsed):
        notes.secrets[error.message] = None
        return f"secret({error.message})"
    if isinstance(error, NotKnown):
        notes.unknown[error.message] = None
    else:
        notes.problem = notes.problem or error.message
    return f"{{{{ {expression.source} }}}}"
