"""What the plugin brings to Rota. This module only registers."""

from __future__ import annotations

from collections.abc import Iterable

from rota import SecretBackend, Task, hookimpl
from rota_vault.backends import Dynamic, Kv
from rota_vault.leases import RevokeLease
from rota_vault.passwords import GeneratePassword
from rota_vault.secret_paths import Delete, List, Patch, Read, Write
from rota_vault.signing import IssueCertificate, SignSshKey
from rota_vault.transit import TransitDecrypt, TransitEncrypt, TransitRewrap, TransitRotate
from rota_vault.wrapping import Unwrap, Wrap


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types; `Read` is `vault.read` in flows."""
    transit: list[type[Task]] = [TransitEncrypt, TransitDecrypt, TransitRotate, TransitRewrap]
    others: list[type[Task]] = [GeneratePassword, SignSshKey, IssueCertificate, RevokeLease, Wrap, Unwrap]
    return [Read, Write, Patch, Delete, List, *transit, *others]


@hookimpl
def register_secret_backends() -> Iterable[type[SecretBackend]]:
    """Return the secret backends; `Kv` is `vault.kv` in `rota.yaml`."""
    return [Kv, Dynamic]
