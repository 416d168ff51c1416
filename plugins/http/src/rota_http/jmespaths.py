"""JMESPath expressions: checked when a flow is read, evaluated on what a server answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from rota import TaskFailed


def _compiled(text: str) -> str:
    import jmespath

    try:
        jmespath.compile(text)
    except jmespath.exceptions.JMESPathError as error:
        reason = str(error).partition("\n")[0].removesuffix(":").removesuffix(", for expression")
        raise ValueError(f"`{text[:80]}` is no JMESPath expression: {reason}") from None
    return text


JmesPath = Annotated[str, AfterValidator(_compiled)]
"""A field that takes a JMESPath expression (https://jmespath.org)."""


def evaluated(expression: str, value: Any) -> Any:
    """Return what a JMESPath expression gives for `value`. Raises TaskFailed, never to be retried."""
    import jmespath

    try:
        return jmespath.search(expression, value)
    except jmespath.exceptions.JMESPathError as error:
        raise TaskFailed(f"`{expression}` cannot be used on the answer: {error}", retryable=False) from None
