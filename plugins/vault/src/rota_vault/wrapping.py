"""Task types `vault.wrap` and `vault.unwrap`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, Secret, SecretStr

from rota import Context, Duration
from rota_vault.connection_fields import reveal
from rota_vault.task import VaultTask, secret_value

_OUTPUT = ConfigDict(use_attribute_docstrings=True)


class Wrapped(BaseModel):
    """A token that can be exchanged once."""

    model_config = _OUTPUT

    token: SecretStr
    """The token."""
    ttl_seconds: int
    """How long it is good."""


class Unwrapped(BaseModel):
    """What a token was exchanged for."""

    model_config = _OUTPUT

    data: dict[str, SecretStr | Secret[Any]]
    """The fields, each a secret."""


class Wrap(VaultTask):
    """Hand values over by a token that can be exchanged once: whoever finds it used knows of a thief.

    Example:
        - id: hand_over
          type: vault.wrap
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          data: {password: "{{ outputs.new.password }}"}
          ttl: 10m
    """

    data: dict[str, Any] = Field(repr=False)
    """The values."""
    ttl: Duration = timedelta(minutes=5)
    """How long the token is good."""

    def run(self, ctx: Context) -> Wrapped:
        seconds = f"{self.ttl.total_seconds():.0f}s"
        found = self.ask(ctx, "post", "sys/wrapping/wrap", reveal(self.data), wrap_ttl=seconds)["wrap_info"]
        return Wrapped(token=SecretStr(found["token"]), ttl_seconds=found["ttl"])


class Unwrap(VaultTask):
    """Exchange a token of `vault.wrap` for its values; it can be done once.

    Example:
        - id: take
          type: vault.unwrap
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          wrapping_token: "{{ outputs.hand_over.token }}"
    """

    wrapping_token: SecretStr
    """The token."""

    def run(self, ctx: Context) -> Unwrapped:
        found = self.ask(ctx, "post", "sys/wrapping/unwrap", {"token": self.wrapping_token.get_secret_value()})
        return Unwrapped(data={name: secret_value(value) for name, value in (found.get("data") or {}).items()})
