"""The expressions of the language: `{{ }}` in values, and bare ones where a flow is steered.

A text that is exactly one `{{ expression }}` gives its value, type and all; with text around, text:
numbers as Python writes them, booleans `true` and `false`, dates ISO 8601, durations `1h30m`, an artifact its
uri, lists and mappings JSON; null and undefined are errors. Only `{{ }}` is syntax, `{%` and `{#` are text. A
literal `{{` is written `{{ '{{' }}`, or with `!raw`. What an expression returned is never rendered again.
"""

from __future__ import annotations

from rota.flows.templates.expressions import Expression
from rota.flows.templates.language import DEFAULT, Language
from rota.flows.templates.marks import RawValue, is_secret, reveal, secret_values
from rota.flows.templates.values import Found, Value

compile_value = DEFAULT.compile_value
compile_expression = DEFAULT.compile_expression
use_filters = DEFAULT.use_filters

__all__ = [
    "Expression",
    "Found",
    "Language",
    "RawValue",
    "Value",
    "compile_expression",
    "compile_value",
    "is_secret",
    "reveal",
    "secret_values",
    "use_filters",
]
