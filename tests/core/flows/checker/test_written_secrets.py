"""Secrets that are written in a flow: the type of a field says what is one."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretBytes, SecretStr

from rota import Artifact, Task
from rota.flows.checker.written_secrets import written_secrets


def _uri(value: str | SecretStr) -> str | SecretStr:
    return SecretStr(value) if isinstance(value, str) and "@" in value else value


class Login(BaseModel):
    user: str
    password: SecretStr


class Send(Task):
    plain: str = ""
    secret: SecretStr | None = None
    key: Annotated[SecretBytes, Field(min_length=2)] = SecretBytes(b"xx")
    body: str | SecretStr | Artifact | None = None
    uri: Annotated[str | SecretStr, AfterValidator(_uri)] | None = None
    renamed: SecretStr | None = Field(default=None, alias="from")
    login: Login | None = None
    logins: list[Login] | None = None
    by_name: dict[str, Login] | None = None
    headers: dict[str, SecretStr] | None = None


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"secret": "abc"}, [("secret",)]),
        ({"secret": ""}, []),
        ({"secret": "{{ secret('a#b') }}"}, []),
        ({"secret": 5}, []),
        ({"key": "abc"}, [("key",)]),
        ({"key": "a"}, []),  # too short: that is reported, and is enough
        ({"plain": "abc", "body": "abc"}, []),
        ({"uri": "x://host"}, []),
        ({"uri": "x://me:pass@host"}, [("uri",)]),
        ({"from": "abc"}, [("from",)]),
        ({"renamed": "abc"}, []),
        ({"login": {"user": "me", "password": "abc"}}, [("login", "password")]),
        ({"login": {"user": "me", "password": "{{ inputs.x }}"}}, []),
        (
            {"logins": [{"user": "a", "password": "{{ x }}"}, {"user": "b", "password": "b"}]},
            [("logins", 1, "password")],
        ),
        ({"by_name": {"a": {"password": "abc"}}}, [("by_name", "a", "password")]),
        ({"headers": {"Accept": "text/plain"}}, []),  # what of them is a secret, nobody can say
        ({"login": "x", "logins": {}, "by_name": [1]}, []),
    ],
)
def test_what_the_type_takes_as_a_secret_is_found(given: dict[str, Any], found: list[Any]) -> None:
    assert list(written_secrets(Send, given)) == found
