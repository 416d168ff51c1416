"""Says what is wrong with a text that is not YAML, and what to do about it."""

from __future__ import annotations

import re

from yaml import MarkedYAMLError
from yaml.reader import ReaderError

from rota.errors import Finding, Place

_TAB_INDENT = re.compile(r" *\t")
_BARE_EXPRESSION = re.compile(r"(?:^|[:\-,\[{] )\s*\{\{")
_HINTS = (
    ("another document", "keep one flow in a file"),
    ("nested deeper", "move the inner tasks to a subflow"),
    ("undefined alias", "define it above with `&name`, or put text that starts with `*` in quotes"),
    ("duplicate anchor", "give each anchor a name of its own"),
    ("mapping values are not allowed", "put text that contains `: ` in quotes, and check the indentation"),
    ("cannot start any token", "put text that starts with ``@ ` % & * ! | >`` in quotes"),
    ("unexpected end of stream", "close the quotes that were opened there"),
    ("unknown escape character", "a backslash has a meaning in double quotes: use single quotes"),
    ("could not find expected ':'", "put `: ` after the key"),
    ("undefined tag handle", "put text that starts with `!` in quotes"),
)


def syntax_finding(error: MarkedYAMLError | ReaderError, text: str, file: str) -> Finding:
    """Return the finding for an error of the parser in `text`."""
    if isinstance(error, ReaderError):
        return Finding("yaml-encoding", f"not valid YAML: {error.reason}", Place(file), "save the file as UTF-8")
    problem = str(error.problem or "wrong syntax").removeprefix("but ")
    if problem == "second occurrence":
        problem = "duplicate anchor"
    started = error.context_mark
    mark = error.problem_mark or started
    lines = text.splitlines() or [""]
    shown = [lines[m.line] for m in (mark, started) if m is not None and m.line < len(lines)]
    place = Place(file, mark.line + 1, mark.column + 1) if mark is not None else Place(file)
    message = f"not valid YAML: {problem}"
    if started is not None and mark is not None and started.line != mark.line and error.context:
        context = str(error.context).split(", ", maxsplit=1)[0]
        message += f", {context} that starts in line {started.line + 1}" if "while" in context else ""
    code = "several-documents" if "another document" in problem else "yaml-syntax"
    if code == "several-documents":
        message = "there is a second document"
    return Finding(code, message, place, _hint(problem, shown))


def _hint(problem: str, lines: list[str]) -> str:
    if any(_TAB_INDENT.match(line) for line in lines):
        return "indent with spaces: YAML allows no tabs there"
    if any(_BARE_EXPRESSION.search(line) for line in lines):
        return 'put quotes around a value that starts with an expression: `"{{ … }}"`'
    return next((hint for part, hint in _HINTS if part in problem), "check the indentation and the quotes before it")
