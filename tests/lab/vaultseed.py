"""What a bank keeps in its Vault: policies, logins, engines and secrets, one by one or all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import make_url

from tests.lab.postgres import Postgres
from tests.lab.vault import Vault

TASKS_POLICY = """
path "secret/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
path "kv1/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "database/creds/*" { capabilities = ["read"] }
path "transit/*" { capabilities = ["create", "read", "update", "list"] }
path "ssh/sign/*" { capabilities = ["create", "update"] }
path "pki/issue/*" { capabilities = ["create", "update"] }
path "sys/policies/password/+/generate" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"""

READER_POLICY = 'path "secret/data/clusters/*" { capabilities = ["read"] }'

PASSWORD_POLICY = """
length = 24
rule "charset" { charset = "abcdefghijklmnopqrstuvwxyz" min-chars = 4 }
rule "charset" { charset = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" min-chars = 4 }
rule "charset" { charset = "0123456789" min-chars = 4 }
"""


@dataclass(frozen=True)
class AppRole:
    """How a program logs in to Vault."""

    role_id: str
    secret_id: str


def seed(vault: Vault, postgres: Postgres | None = None) -> AppRole:
    """Put everything of this module into `vault` (the database engine if there is a `postgres`); return the login.

    The login has the policy `tasks`; the policy `reader` may read `secret/data/clusters/*` and nothing else.
    """
    put_policy(vault, "tasks", TASKS_POLICY)
    put_policy(vault, "reader", READER_POLICY)
    vault.request("PUT", "sys/policies/password/bank", {"policy": PASSWORD_POLICY})
    mount(vault, "kv1", "kv", {"version": "1"})
    mount(vault, "transit", "transit")
    vault.request("POST", "transit/keys/bank", {"type": "aes256-gcm96"})
    enable_pki(vault)
    enable_ssh_ca(vault)
    if postgres is not None:
        enable_database(vault, postgres)
    return enable_approle(vault, "tasks")


def mount(vault: Vault, path: str, engine: str, options: Mapping[str, str] | None = None) -> None:
    """Mount a secrets engine such as `kv` at `path`."""
    vault.request("POST", f"sys/mounts/{path}", {"type": engine, "options": dict(options or {})})


def put_policy(vault: Vault, name: str, policy: str) -> None:
    """Write a policy, in HCL."""
    vault.request("PUT", f"sys/policies/acl/{name}", {"policy": policy})


def put_secret(vault: Vault, path: str, fields: Mapping[str, Any]) -> None:
    """Write a secret of KV version 2 at `secret/PATH`."""
    vault.request("POST", f"secret/data/{path}", {"data": dict(fields)})


def create_token(vault: Vault, *policies: str, ttl: str = "1h") -> str:
    """Create a token that has these policies alone; `ttl` as Vault spells durations."""
    made = vault.request("POST", "auth/token/create", {"policies": list(policies), "ttl": ttl, "no_parent": True})
    return str(made["auth"]["client_token"])


def enable_approle(vault: Vault, *policies: str, role: str = "rota", ttl: str = "1h") -> AppRole:
    """Let programs log in at `auth/approle`, for tokens with these policies; return the login of `role`."""
    vault.request("POST", "sys/auth/approle", {"type": "approle"})
    vault.request("POST", f"auth/approle/role/{role}", {"token_policies": list(policies), "token_ttl": ttl})
    role_id = vault.request("GET", f"auth/approle/role/{role}/role-id")["data"]["role_id"]
    secret_id = vault.request("POST", f"auth/approle/role/{role}/secret-id")["data"]["secret_id"]
    return AppRole(role_id, secret_id)


def enable_database(vault: Vault, postgres: Postgres, role: str = "reader", ttl: str = "1h") -> None:
    """Let `database/creds/ROLE` make logins of PostgreSQL that live for `ttl` and end when their lease does."""
    url = make_url(postgres.url)
    mount(vault, "database", "database")
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "allowed_roles": "*",
        "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{url.host}:{url.port}/{url.database}",
        "username": url.username,
        "password": url.password,
    }
    vault.request("POST", "database/config/lab", connection)
    create = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
    statements = {
        "db_name": "lab",
        "creation_statements": [create],
        "revocation_statements": ['DROP ROLE IF EXISTS "{{name}}"'],
        "default_ttl": ttl,
        "max_ttl": "24h",
    }
    vault.request("POST", f"database/roles/{role}", statements)


def enable_pki(vault: Vault, role: str = "server") -> None:
    """Let `pki/issue/ROLE` issue certificates for any name, under an authority made for it."""
    mount(vault, "pki", "pki")
    vault.request("POST", "pki/root/generate/internal", {"common_name": "Rota Lab Vault CA", "ttl": "720h"})
    vault.request("POST", f"pki/roles/{role}", {"allow_any_name": True, "allow_ip_sans": True, "max_ttl": "72h"})


def enable_ssh_ca(vault: Vault, role: str = "operator") -> str:
    """Let `ssh/sign/ROLE` sign users' keys for any login; return the public key that hosts are to trust."""
    mount(vault, "ssh", "ssh")
    made = vault.request("POST", "ssh/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})
    rules = {
        "key_type": "ca",
        "allow_user_certificates": True,
        "allowed_users": "*",
        "default_extensions": {"permit-pty": "", "permit-port-forwarding": ""},
        "ttl": "30m",
    }
    vault.request("POST", f"ssh/roles/{role}", rules)
    return str(made["data"]["public_key"])


def ssh_ca_key(vault: Vault) -> str:
    """Return the public key that the SSH engine signs with."""
    return str(vault.request("GET", "ssh/config/ca")["data"]["public_key"])
