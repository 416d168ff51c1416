"""Values of a flow as JSON text, with a word on what becomes of the secrets among them."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Secret, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from rota import TaskFailed


def json_text(value: Any, *, secrets: Literal["hide", "refuse", "reveal"] = "hide", indent: int | None = None) -> str:
    """Return `value` as JSON: dates in ISO 8601, models and artifacts as objects, secrets as `secrets` says.

    Raises TaskFailed for what has no JSON form, and for a secret that is refused.
    """

    def convert(found: Any) -> Any:
        if isinstance(found, (SecretStr, SecretBytes, Secret)):
            if secrets == "refuse":
                raise TaskFailed("a secret would be stored where everybody can read it", retryable=False)
            return found.get_secret_value() if secrets == "reveal" else "***"
        return to_jsonable_python(found)

    try:
        return json.dumps(value, default=convert, ensure_ascii=False, allow_nan=False, indent=indent)
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskFailed(f"the value has no JSON form: {error}", retryable=False) from None
