"""What a run says of fields whose values turned out to be wrong: in the words of the language, without the values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from rota import Context, Task, TaskFailed
from rota.executions.prepare import validated


def _even(number: int) -> int:
    if number == 13:
        raise ValueError("`even` is unlucky")
    if number % 2:
        raise ValueError("it is odd; an even one is wanted")
    return number


class Login(BaseModel):
    password: SecretStr


class Send(Task):
    port: int = Field(default=22, ge=1)
    even: Annotated[int, AfterValidator(_even)] = 0
    to: str | list[str] = ""
    method: Literal["get", "put"] = "get"
    login: Login | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Send:
        if self.port == 1 and self.to == "one":
            raise ValueError("`port` and `to` do not go together")
        return self

    def run(self, ctx: Context) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": "abc-secret"}, "`port` must be a whole number"),
        ({"port": 0}, "`port` must be at least 1"),
        ({"even": 3}, "`even`: it is odd; an even one is wanted"),
        ({"to": 5}, "`to` must be text or a list"),
        ({"to": ["a", 5]}, "`to[1]` must be text"),
        ({"method": "post-secret"}, "`method` must be `get` or `put`"),
        ({"login": {}}, "`login.password` is missing"),
        ({"login": {"password": 5}}, "`login.password` must be text"),
        ({"even": 13}, "`even` is unlucky"),
        ({"port": 1, "to": "one"}, "`port` and `to` do not go together"),
        ({"port": None, "even": "x"}, "`port` must be a whole number; `even` must be a whole number"),
        ({"prot": 1}, "there is no field `prot`"),
    ],
)
def test_what_is_wrong_is_said_without_the_value(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskFailed) as failed:
        validated(Send, values)
    assert failed.value.message == message
    assert failed.value.retryable is False
    assert failed.value.__cause__ is None
