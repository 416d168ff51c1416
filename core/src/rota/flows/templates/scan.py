"""Splits a text into what is literal and what stands in `{{ }}`."""

from __future__ import annotations

from dataclasses import dataclass

from rota.errors import ExpressionError

OPEN, CLOSE = "{{", "}}"
MAX_SOURCE = 16_384
"""The longest expression, in characters."""
MAX_NESTING = 40
"""How deep brackets may be nested in an expression."""
_BRACKETS = {"}": "{", ")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class Piece:
    """A literal text, or the source of an expression; `offset` is where it starts in the whole text."""

    text: str
    offset: int
    is_expression: bool


def split(text: str) -> tuple[Piece, ...]:
    """Return the pieces of `text` in order.

    Only `{{ }}` is syntax; `{{-` and `-}}` also drop the white space on their outer side. Raises
    ExpressionError for an expression that does not end.
    """
    pieces: list[Piece] = []
    position, trim = 0, False
    while True:
        start = text.find(OPEN, position)
        literal = text[position : start if start >= 0 else len(text)]
        if trim:
            literal = literal.lstrip()
        if start < 0:
            _add_literal(pieces, literal, position)
            return tuple(pieces)
        end = _end(text, start)
        inner_start, inner_end = start + 2, end
        if text.startswith("-", inner_start):
            literal, inner_start = literal.rstrip(), inner_start + 1
        trim = inner_end > inner_start and text[inner_end - 1] == "-"
        if trim:
            inner_end -= 1
        _add_literal(pieces, literal, position)
        source = text[inner_start:inner_end]
        leading = len(source) - len(source.lstrip())
        pieces.append(Piece(source.strip(), inner_start + leading, is_expression=True))
        position = end + 2


def _add_literal(pieces: list[Piece], text: str, offset: int) -> None:
    if text:
        pieces.append(Piece(text, offset, is_expression=False))


def _end(text: str, start: int) -> int:
    """Return where the `}}` is that ends the expression which `{{` at `start` begins."""
    open_brackets: list[str] = []
    position, stop = start + 2, min(len(text), start + MAX_SOURCE + 4)
    while position < stop:
        char = text[position]
        if char in "'\"":
            position = _end_of_string(text, position, start)
            continue
        if char in "{([":
            open_brackets.append(char)
            if len(open_brackets) > MAX_NESTING:
                raise _error(text, start, f"is nested deeper than {MAX_NESTING} brackets")
        elif not open_brackets and text.startswith(CLOSE, position):
            return position
        elif char in "})]" and open_brackets and open_brackets[-1] == _BRACKETS[char]:
            open_brackets.pop()
        elif char in "})]":
            raise _error(text, start, f"has a `{char}` that closes nothing")
        position += 1
    if stop < len(text):
        raise _error(text, start, f"is longer than {MAX_SOURCE} characters")
    raise _error(text, start, "has no closing `}}`", hint="to write `{{` itself, use `{{ '{{' }}` or `!raw`")


def _end_of_string(text: str, position: int, start: int) -> int:
    quote, position = text[position], position + 1
    while position < len(text) and text[position] != quote:
        position += 2 if text[position] == "\\" else 1
    if position >= len(text):
        hint = "to write `{{` itself, use `{{ '{{' }}` or `!raw`"
        raise _error(text, start, f"has a `{quote}` that is never closed", hint=hint)
    return position + 1


def _error(text: str, start: int, reason: str, *, hint: str = "") -> ExpressionError:
    source = text[start : start + 60]
    return ExpressionError(f"the expression `{source}` {reason}", expression=source, offset=start, hint=hint)


def check_nesting(source: str) -> None:
    """Raise ExpressionError when the expression `source` is too long, or its brackets are too deep, to be parsed."""
    if len(source) > MAX_SOURCE:
        raise _error(source, 0, f"is longer than {MAX_SOURCE} characters")
    depth, position = 0, 0
    while position < len(source):
        char = source[position]
        if char in "'\"":
            position = _end_of_string(source, position, 0)
            continue
        depth += (char in "{([") - (char in "})]")
        if depth > MAX_NESTING:
            raise _error(source, 0, f"is nested deeper than {MAX_NESTING} brackets")
        position += 1
