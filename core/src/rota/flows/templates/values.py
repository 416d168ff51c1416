"""What flows write as values: literals, texts with expressions in them, and trees of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal as Exactly

from pydantic import SecretStr

from rota.errors import ExpressionError
from rota.flows.templates.budget import MAX_TEXT, over
from rota.flows.templates.expressions import Expression
from rota.flows.templates.marks import is_secret


@dataclass(frozen=True, slots=True)
class Found:
    """An expression in a value.

    `keys` lead to the text that holds it, `offset` is where it starts in that text (in characters), and
    `whole` says that it is the whole of it, so that its type stays.
    """

    expression: Expression
    keys: tuple[str | int, ...]
    offset: int
    whole: bool


class Value(ABC):
    """A compiled value: `render` it with names as often as needed, from any thread."""

    __slots__ = ()

    is_literal: bool = False
    """It holds no expression: `render` gives what was written, the same object each time."""

    @property
    @abstractmethod
    def expressions(self) -> Sequence[Found]:
        """The expressions in it, in order."""

    @abstractmethod
    def render(self, names: Mapping[str, Any]) -> Any:
        """Return the value with `names`; what used a secret is a `SecretStr`, or a `pydantic.Secret` if no text.

        Raises ExpressionError, or the error of Rota's own that a function raised (SecretError, StoreBusy, …).
        """

    def condition(self, names: Mapping[str, Any]) -> bool:
        """Return the boolean that it gives. Raises like `render`, and ExpressionError when it gives no boolean."""
        value = self.render(names)
        if isinstance(value, bool):
            return value
        source = self.expressions[0].expression.source if self.expressions else str(value)
        if is_secret(value):
            raise ExpressionError(f"`{source}` uses a secret, which may not steer a flow", expression=source)
        what = f"the text `{value[:40]}`" if isinstance(value, str) else f"a value of type `{type(value).__name__}`"
        hint = (
            "compare it: `… == 'false'`" if isinstance(value, str) else "compare it, or use a test such as `is defined`"
        )
        raise ExpressionError(f"`{source}` must give true or false, it gives {what}", expression=source, hint=hint)


class Literal(Value):
    """What holds no expression."""

    __slots__ = ("value",)
    is_literal = True

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def expressions(self) -> Sequence[Found]:
        return ()

    def render(self, names: Mapping[str, Any]) -> Any:
        return self.value


class Exact(Value):
    """A text that is one expression and nothing else: the value keeps its type."""

    __slots__ = ("_expression", "_offset")

    def __init__(self, expression: Expression, offset: int) -> None:
        self._expression = expression
        self._offset = offset

    @property
    def expressions(self) -> Sequence[Found]:
        return (Found(self._expression, (), self._offset, whole=True),)

    def render(self, names: Mapping[str, Any]) -> Any:
        try:
            return self._expression.render(names)
        except ExpressionError as error:
            raise _moved(error, self._offset) from None


class Text(Value):
    """A text with expressions in it: the result is text."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Sequence[str | tuple[Expression, int]]) -> None:
        self._pieces = pieces

    @property
    def expressions(self) -> Sequence[Found]:
        return [Found(piece[0], (), piece[1], whole=False) for piece in self._pieces if not isinstance(piece, str)]

    def render(self, names: Mapping[str, Any]) -> Any:
        parts, secret, length = [], False, 0
        for piece in self._pieces:
            if isinstance(piece, str):
                text = piece
            else:
                text, tainted = _embedded(*piece, names)
                secret = secret or tainted
            length += len(text)
            if length > MAX_TEXT:
                raise over(f"makes a text of more than {MAX_TEXT:,} characters")
            parts.append(text)
        text = "".join(parts)
        return SecretStr(text) if secret else text


def _embedded(expression: Expression, offset: int, names: Mapping[str, Any]) -> tuple[str, bool]:
    try:
        result = expression.evaluate(names)
        if type(result.value) is str:
            return result.value, result.secret
        text = expression.text_of(result)
    except ExpressionError as error:
        raise _moved(error, offset) from None
    # Writing it out may have met a secret inside of it.
    return text, result.evaluation.tainted


def _moved(error: ExpressionError, offset: int) -> ExpressionError:
    """Return a copy of `error` at `offset` further on: an error may be shared, its place is not."""
    return ExpressionError(
        error.message, expression=error.expression, place=error.place, hint=error.hint, offset=error.offset + offset
    )


class Tree(Value):
    """A list or a mapping with expressions somewhere in it; keys are never rendered."""

    __slots__ = ("_items", "_kind")

    def __init__(self, kind: Exactly["list", "dict"], items: Sequence[tuple[Any, Value]]) -> None:
        self._kind = kind
        self._items = items

    @property
    def expressions(self) -> Sequence[Found]:
        return [
            Found(found.expression, (key, *found.keys), found.offset, found.whole)
            for key, value in self._items
            for found in value.expressions
        ]

    def render(self, names: Mapping[str, Any]) -> Any:
        if self._kind == "list":
            return [value.render(names) for _, value in self._items]
        return {key: value.render(names) for key, value in self._items}
