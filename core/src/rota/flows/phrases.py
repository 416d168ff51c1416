"""What a value must be, in words: for the errors of pydantic that a flow can cause."""

from __future__ import annotations

from typing import Any

_PHRASES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "`true` or `false`",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
}
_PATTERNS = {
    r"\{\{": "an expression in `{{ }}`",
    r"^\d+(\.\d+)?\s*%$": "a percentage such as `10%`",
    r"^[a-z][a-z0-9_]*$": "a name of lower-case letters, digits and `_` that begins with a letter",
    r"^[a-z0-9][a-z0-9._-]*$": "a name of lower-case letters, digits, `.`, `_`, `-`, a letter or digit in front",
}
_LIMITS = {
    "greater_than_equal": ("at least {}", "ge"),
    "greater_than": ("more than {}", "gt"),
    "less_than_equal": ("at most {}", "le"),
    "less_than": ("less than {}", "lt"),
    "string_too_long": ("text of at most {} characters", "max_length"),
    "string_too_short": ("text of at least {} characters", "min_length"),
    "too_short": ("a list with at least {} in it", "min_length"),
    "too_long": ("a list with at most {} in it", "max_length"),
}
_YAML_1_1_BOOLEANS = frozenset(("yes", "no", "on", "off", "y", "n", "true", "false"))


def phrase(errors: list[Any]) -> str:
    """Return what the value at one place must be, as the errors of all types that were tried there say."""
    limits = [error for error in errors if error["type"] in _LIMITS]
    # A limit is only looked at when the type was right, so that the other types do not matter.
    phrases = list(dict.fromkeys(_one(error) for error in limits or errors))
    if len(phrases) > 1 and any(error["type"] == "string_pattern_mismatch" for error in errors):
        phrases = [one for one in phrases if one != "text"]
    return " or ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)


def sentence(name: str, errors: list[Any]) -> str:
    """Return what is wrong with the value called `name`, which is not shown; no name stands for the whole."""
    first = errors[0]
    if first["type"] == "missing":
        return f"`{name}` is missing"
    if first["type"] == "extra_forbidden":
        return f"there is no field `{name}`"
    if first["type"] in ("value_error", "assertion_error"):
        text = said(first)
        return text if not name or text.startswith(f"`{name}`") else f"`{name}`: {text}"
    return f"`{name}` must be {phrase(errors)}"


def said(error: Any) -> str:
    """Return what a validator has raised, without what pydantic writes before it."""
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _one(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _PHRASES:
        return _PHRASES[kind]
    if kind in _LIMITS:
        text, name = _LIMITS[kind]
        limit = context[name]
        return text.format(f"{limit:g}" if isinstance(limit, float) else limit)
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"text that matches `{context['pattern']}`")
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "`")
    if kind.startswith("datetime"):
        return "a date and time such as `2026-01-31T13:30:00+01:00`"
    message = str(error["msg"]).removeprefix("Input should be ")
    return message[:1].lower() + message[1:]


def hint_for(value: Any, wanted: str) -> str:
    """Return what to do about a `value` of the wrong type."""
    if value is None:
        return "give it a value, or remove the key"
    if wanted.startswith("`true` or `false`") and isinstance(value, str):
        if value.lower() in _YAML_1_1_BOOLEANS:
            return f"in YAML 1.2 `{value}` is text: write `true` or `false` without quotes"
        return ""
    if wanted.startswith("text") and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    if "number" in wanted and isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return "write it without quotes"
    if wanted == "a list":
        return "begin each item with `- `, in a line of its own"
    if wanted == "a mapping":
        return "write `key: value` lines"
    return ""
