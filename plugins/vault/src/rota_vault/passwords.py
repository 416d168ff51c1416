"""Task type `vault.generate_password`."""

from __future__ import annotations

import secrets
import string
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from rota import Context
from rota_vault.task import VaultTask


class Generated(BaseModel):
    """A new password."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    password: SecretStr
    """The password."""


class GeneratePassword(VaultTask):
    """Make a password, by a policy of Vault's or, without one, here.

    Made here it has `length` characters, of which at least one is a small letter, one a capital, one a digit, and one
    of `symbols` where there are any.

    Example:
        - id: new
          type: vault.generate_password
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          policy: bank
    """

    idempotent: ClassVar[bool] = True

    policy: str | None = Field(default=None, pattern=r"^[^/?#\s]+$")
    """The policy at Vault."""
    length: int = Field(default=32, ge=8, le=1024)
    """How long it is, when it is made here."""
    symbols: str = "-_.~"
    """Which other characters may be in it, when it is made here."""

    @model_validator(mode="after")
    def _is_one_way(self) -> GeneratePassword:
        if self.policy is not None and {"length", "symbols"} & self.model_fields_set:
            raise ValueError("`length` and `symbols` are for a password that is made here, without `policy`")
        return self

    def run(self, ctx: Context) -> Generated:
        if self.policy is None:
            return Generated(password=SecretStr(self._made_here()))
        found = self.ask(ctx, "get", f"sys/policies/password/{self.policy}/generate")
        return Generated(password=SecretStr(found["data"]["password"]))

    def _made_here(self) -> str:
        kinds = [kind for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, self.symbols) if kind]
        while True:  # whole ones until one fits: to put the kinds in by force would make some more likely
            made = "".join(secrets.choice("".join(kinds)) for _ in range(self.length))
            if all(set(made) & set(kind) for kind in kinds):
                return made
