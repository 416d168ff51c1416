"""Finds the place in a file of a character inside of a YAML text, whichever way the text is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yaml.nodes import ScalarNode

from rota.errors import Place

_ESCAPES = {"x": 2, "u": 4, "U": 8}


def place_within(node: ScalarNode, text: Sequence[str], offset: int, file: str) -> Place:
    """Return where character `offset` of the value of `node` stands; the start of `node` where that is unclear.

    `text` is all lines of what `node` was read from, split at line feeds.
    """
    start, end = node.start_mark, node.end_mark
    lines = list(text[start.line : end.line + 1])
    if not lines:
        return Place(file, start.line + 1, start.column + 1)
    find = _in_block if node.style in ("|", ">") else _in_flow
    found = find(lines, node, offset)
    line, column = found or (0, start.column)
    return Place(file, start.line + line + 1, column + 1)


def _in_block(lines: list[str], node: ScalarNode, offset: int) -> tuple[int, int] | None:
    """A block: line by line what is written; a folded one joins lines by spaces, so text is looked for."""
    body = lines[1:]
    # The first line that is not empty tells it; what it has beyond is in the value.
    first = next((line for line in body if line.strip()), "")
    start = next((line for line in node.value.split("\n") if line.strip()), "")
    indent = _spaces(first) - _spaces(start)
    if node.style == ">":
        return _aligned(_characters(body, indent, 1), node.value, offset)
    for number, line in enumerate(body, start=1):
        length = len(line[indent:]) + 1
        if offset < length:
            return number, indent + offset
        offset -= length
    return None


def _spaces(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _in_flow(lines: list[str], node: ScalarNode, offset: int) -> tuple[int, int] | None:
    quote = node.style or ""
    first = node.start_mark.column + (1 if quote else 0)
    inner = [lines[0][first:], *lines[1:]]
    characters = ((line, column + (first if line == 0 else 0), text) for line, column, text in _unquoted(inner, quote))
    return _aligned(characters, node.value, offset)


def _characters(lines: list[str], indent: int, first: int) -> Iterator[tuple[int, int, str]]:
    for number, line in enumerate(lines, start=first):
        for column, char in enumerate(line[indent:]):
            yield number, column + indent, char
        yield number, len(line), "\n"


def _unquoted(lines: list[str], quote: str) -> Iterator[tuple[int, int, str]]:
    """Yield each character with the place it is written at; an escape is its first one, and an empty text.

    White space around a line break is not part of the value, and neither is an escaped line break.
    """
    for number, line in enumerate(lines):
        column = _blanks(line) if number else 0
        joined = False
        while column < len(line):
            width, text = 1, line[column]
            if quote == "'" and line.startswith("''", column):
                width = 2
            elif quote == '"' and text == "\\":
                joined = column == len(line) - 1
                width, text = 2 + _ESCAPES.get(line[column + 1 : column + 2], 0), ""
            if not joined:
                yield number, column, text
            column += width
        if not joined:
            yield number, len(line), "\n"


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _aligned(characters: Iterator[tuple[int, int, str]], value: str, offset: int) -> tuple[int, int] | None:
    """Go over what is written and over the value side by side; line breaks and white space may differ."""
    at = 0
    for line, column, char in characters:
        if at >= len(value):
            return None
        if char in ("\n", " ", "\t") and value[at] not in (" ", "\n", "\t"):
            continue
        if at == offset:
            return line, column
        if char in ("\n", " ", "\t", "") or char == value[at]:
            at += 1
        else:
            return None
    return None
