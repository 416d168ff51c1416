"""Regular expressions, which run without the interpreter's lock and end at a time limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rota.errors import ExpressionError
from rota.flows.templates.budget import MAX_ITEMS, current, over
from rota.flows.templates.data import to_text

_SECONDS = 0.3
_MAX_PATTERN = 4_000
_MAX_SIZE = 20_000
"""How large a pattern may become when its counted repetitions are written out."""
_COUNT = re.compile(r"\{(\d*)(?:,(\d*))?\}")
# Recursion takes memory; what is verbose, a comment or of version 1 hides brackets from `_size`.
_REFUSED = re.compile(r"\(\?(?:R\)|[+-]?\d|&|P>|#|[a-zA-Z]*[xV])")
_GROUP = re.compile(r"\\(\d|g<)")


def _compiled(pattern: Any, ignorecase: bool, multiline: bool) -> Any:
    import regex

    text = to_text(current(), pattern)
    if len(text) > _MAX_PATTERN or _REFUSED.search(text):
        raise over(f"has a pattern of more than {_MAX_PATTERN} characters, a recursive, verbose or commented one")
    if _size(text) > _MAX_SIZE:
        raise over("repeats too much in its pattern")
    try:
        return regex.compile(text, (regex.I if ignorecase else 0) | (regex.M if multiline else 0))
    except (regex.error, ValueError, OverflowError) as error:
        raise ExpressionError(f"`{text[:60]}` is no regular expression: {error}") from None


def _size(pattern: str) -> int:
    """Return how long `pattern` is with its counted repetitions written out; groups inside groups multiply."""
    totals, last, position = [0], 0, 0
    while position < len(pattern):
        char, found = pattern[position], _COUNT.match(pattern, position)
        if found and found.end() - found.start() > 2:
            counts = [int(count) for count in found.groups() if count]
            added = last * max([0, *(count - 1 for count in counts)])
            totals[-1], last = totals[-1] + added, last + added
            if max(totals) > _MAX_SIZE or any(count > _MAX_SIZE for count in counts):
                return _MAX_SIZE + 1
            position = found.end()
            continue
        if char == "(":
            totals.append(0)
        elif char == ")" and len(totals) > 1:
            last = totals.pop() + 1
            totals[-1] += last
        else:
            totals[-1], last = totals[-1] + 1, 1
        position = _end_of_atom(pattern, position)
    return sum(totals)


def _end_of_atom(pattern: str, position: int) -> int:
    if pattern[position] == "\\":
        return position + 2
    if pattern[position] == "[":
        end = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]?", re.DOTALL).match(pattern, position)
        return end.end() if end else position + 1
    return position + 1


def find(value: Any, pattern: Any, method: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    """Return the match that `method` (`match`, `search` or `fullmatch`) finds in `value`, or None."""
    compiled = _compiled(pattern, ignorecase, multiline)
    try:
        return getattr(compiled, method)(to_text(current(), value), timeout=_SECONDS, concurrent=True)
    except TimeoutError:
        raise _too_slow(pattern) from None


def _each(value: str, pattern: Any, ignorecase: bool, multiline: bool) -> Iterator[Any]:
    evaluation = current()
    matches = _compiled(pattern, ignorecase, multiline).finditer(value, timeout=_SECONDS, concurrent=True)
    try:
        for count, match in enumerate(matches):
            evaluation.step()
            if count >= MAX_ITEMS:
                raise over(f"finds more than {MAX_ITEMS:,} matches")
            yield match
    except TimeoutError:
        raise _too_slow(pattern) from None


def _too_slow(pattern: Any) -> ExpressionError:
    return ExpressionError(f"the pattern `{str(pattern)[:60]}` takes too long", hint="avoid repetitions in repetitions")


def _groups(match: Any) -> Any:
    """Return what `findall` gives for a match: the whole, the only group, or all groups."""
    found = ["" if group is None else group for group in match.groups()]
    current().made(sum(map(len, found)) + len(match.group()))
    return match.group() if not found else found[0] if len(found) == 1 else found


def regex_findall(value: Any, pattern: Any, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    """Return all matches in `value`; of a pattern with groups, the groups."""
    return [_groups(match) for match in _each(to_text(current(), value), pattern, ignorecase, multiline)]


def regex_search(value: Any, pattern: Any, *groups: Any, multiline: bool = False, ignorecase: bool = False) -> Any:
    r"""Return the first match, or with `'\\1'` and `'\\g<name>'` the groups asked for, or null when there is none."""
    match = find(value, pattern, "search", ignorecase, multiline)
    if match is None:
        return None
    if not groups:
        return match.group()
    names = [str(group).replace("\\g<", "").rstrip(">").lstrip("\\") for group in groups]
    try:
        return [match.group(int(name) if name.isdigit() else name) for name in names]
    except IndexError:
        raise ExpressionError("the pattern has no such group") from None


def regex_replace(
    value: Any,
    pattern: Any = "",
    replacement: Any = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
) -> str:
    r"""Return `value` with its matches replaced; `\\1` and `\\g<name>` in `replacement` stand for groups."""
    evaluation, text = current(), to_text(current(), value)
    template, parts, position, length = to_text(evaluation, replacement), [], 0, 0
    for number, match in enumerate(_each(text, pattern, ignorecase, multiline)):
        if count and number >= count:
            break
        parts += [text[position : match.start()], _expanded(match, template)]
        length += len(parts[-1]) + len(parts[-2])
        evaluation.may_make(text=length)
        position = match.end()
    evaluation.may_make(text=length + len(text) - position)
    return "".join(parts) + text[position:]


def _expanded(match: Any, template: str) -> str:
    if "\\" not in template:
        return template
    longest = max(len(group or "") for group in (match.group(), *match.groups()))
    current().may_make(text=len(template) + longest * len(_GROUP.findall(template)))
    try:
        return str(match.expand(template))
    except (IndexError, ValueError, re.error) as error:
        raise ExpressionError(f"the replacement does not fit the pattern: {error}") from None


def regex_escape(value: Any) -> str:
    """Return `value` so that a pattern takes it literally."""
    text = to_text(current(), value)
    current().may_make(text=2 * len(text))
    return re.escape(text)


FILTERS = {
    "regex_escape": regex_escape,
    "regex_findall": regex_findall,
    "regex_replace": regex_replace,
    "regex_search": regex_search,
}
