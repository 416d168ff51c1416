"""Compiles what flows write: values with `{{ }}` in them, and bare expressions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rota.errors import ExpressionError
from rota.flows.templates.expressions import Expression
from rota.flows.templates.marks import RawValue, unraw
from rota.flows.templates.scan import OPEN, Piece, split
from rota.flows.templates.values import Exact, Literal, Text, Tree, Value

if TYPE_CHECKING:
    from rota.flows.templates.environment import Sandbox

_CACHED = 4096
_MAX_CACHED_LENGTH = 10_000
_WORDS = {"true": Literal(True), "false": Literal(False)}

Filters = Mapping[str, Callable[..., Any]]


class Language:
    """The expressions, with the filters that plugins add.

    `more_filters` is called once, when a filter is used that is not built in. Compiled values are kept
    by their source, the last 4,096 of them.
    """

    def __init__(self, more_filters: Callable[[], Filters] = dict) -> None:
        self._more_filters = more_filters
        self._sandbox: Sandbox | None = None
        self._lock = threading.Lock()
        self._cached_text = lru_cache(_CACHED)(self._compile_text)
        self._cached_bare = lru_cache(_CACHED)(self._compile_bare)

    def compile_value(self, value: Any, *, raw: bool = False) -> Value:
        """Return plain YAML data, with `RawValue` where it was tagged `!raw`, as a `Value`.

        `raw` makes all of it literal. Raises ExpressionError for an expression that does not end; all else
        that is wrong with an expression is told when it is first rendered or its `uses` are read.
        """
        if raw or isinstance(value, RawValue):
            return Literal(unraw(value))
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._tree(value, "dict", list(value.items()))
        if isinstance(value, list):
            return self._tree(value, "list", list(enumerate(value)))
        return Literal(value)

    def compile_expression(self, source: Any, *, braces_optional: bool = True) -> Value:
        """Return a bare expression (`outputs.x.json`), or one in braces, as a `Value`; what is no text is a value.

        Raises ExpressionError for an empty one, for braces around a part of it, and without
        `braces_optional` for one that has none.
        """
        if not isinstance(source, str):
            return self.compile_value(source)
        if not braces_optional and not source.strip().startswith(OPEN):
            raise ExpressionError(f"`{source[:80]}` has no braces", expression=source, hint="write `{{ … }}`")
        cached = len(source) <= _MAX_CACHED_LENGTH
        return self._cached_bare(source) if cached else self._compile_bare(source)

    def _text(self, text: str) -> Value:
        if OPEN not in text:
            return Literal(text)
        return self._cached_text(text) if len(text) <= _MAX_CACHED_LENGTH else self._compile_text(text)

    def _tree(self, value: Any, kind: Any, items: list[tuple[Any, Any]]) -> Value:
        compiled = [(key, self.compile_value(item)) for key, item in items]
        if all(item.is_literal for _, item in compiled):
            return Literal(unraw(value))
        return Tree(kind, compiled)

    def _compile_text(self, text: str) -> Value:
        pieces = split(text)
        if len(pieces) == 1 and pieces[0].is_expression:
            return Exact(self._expression(pieces[0]), pieces[0].offset)
        return Text(
            [(self._expression(piece), piece.offset) if piece.is_expression else piece.text for piece in pieces]
        )

    def _compile_bare(self, source: str) -> Value:
        text = source.strip()
        if text in _WORDS:
            return _WORDS[text]
        if not text.startswith(OPEN):
            return Exact(self._expression(Piece(text, source.find(text), is_expression=True)), source.find(text))
        pieces = split(text)
        if len(pieces) != 1:
            hint = "put braces around the whole expression, or leave them out"
            raise ExpressionError(f"`{text[:80]}` has braces around a part of it", expression=source, hint=hint)
        return Exact(self._expression(pieces[0]), source.find(text) + pieces[0].offset)

    def _expression(self, piece: Piece) -> Expression:
        if not piece.text:
            hint = "to write `{{` itself, use `{{ '{{' }}` or `!raw`"
            raise ExpressionError("the expression is empty", offset=piece.offset, hint=hint)
        return Expression(piece.text, self._environment)

    def _environment(self) -> Sandbox:
        with self._lock:
            if self._sandbox is None:
                # Jinja is imported by the first expression, not by the start of the program.
                from rota.flows.templates.environment import Sandbox

                self._sandbox = Sandbox(self._more_filters)
            return self._sandbox

    def use_filters(self, more_filters: Callable[[], Filters]) -> None:
        """Take the filters of plugins from `more_filters`, and forget what was compiled without them."""
        with self._lock:
            self._more_filters, self._sandbox = more_filters, None
        self._cached_text.cache_clear()
        self._cached_bare.cache_clear()


DEFAULT = Language()
"""The language of this process; the application gives it the filters of the installed plugins."""
