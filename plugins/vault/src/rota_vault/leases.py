"""Task type `vault.revoke_lease`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rota import Context, TaskFailed
from rota_vault.task import VaultTask, status_of


class RevokeLease(VaultTask):
    """End a lease, and with it the login or whatever was given for it; one that has ended is no error.

    Example:
        - id: over
          type: vault.revoke_lease
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          lease_id: "{{ outputs.login.lease_id }}"
    """

    idempotent: ClassVar[bool] = True

    lease_id: str = Field(min_length=1)
    """The lease."""
    by_prefix: bool = False
    """Take `lease_id` for the beginning of many leases, and end all of them."""

    def run(self, ctx: Context) -> None:
        if self.by_prefix:
            self.ask(ctx, "put", f"sys/leases/revoke-prefix/{self.lease_id}", {})
            return
        try:
            self.ask(ctx, "put", "sys/leases/revoke", {"lease_id": self.lease_id, "sync": True})
        except TaskFailed as error:
            if not (status_of(error) in {400, 404} and "lease not found" in error.message):
                raise
