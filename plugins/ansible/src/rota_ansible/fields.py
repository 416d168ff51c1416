"""What every run of Ansible may be told: hosts, how to log in, variables, limits, where roles are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr

from rota import Context, Task

_SSH_ARGS = "-o ControlMaster=auto -o ControlPersist=60s"

Inventory = str | list[Any] | dict[str, Any]


class AnsibleTask(Task):
    """The fields that playbooks and modules share."""

    inventory: Inventory = "localhost,"
    """A file or folder of the flow, a host list such as `a,b,`, the text of an inventory, or one as a mapping.

    A list has names of hosts, or a fleet's targets: their `name`, `host` or `address`, `port`, `user` and `vars`.
    """
    limit: str | None = None
    """Only these hosts, as `--limit`."""
    forks: int = Field(default=10, ge=1, le=500)
    """How many hosts at the same time."""
    extra_vars: dict[str, Any] = Field(default_factory=dict, repr=False)
    """Variables that go before all others. They are in a file of mode 0600, never on a command line."""
    user: str | None = None
    """Who to log in as."""
    password: SecretStr | None = None
    """The password of the login. Before ansible-core 2.19 this needs `sshpass` where Rota runs."""
    private_key: SecretStr | None = None
    """The text of the private key."""
    known_hosts: str | None = None
    """The host keys to trust, as lines of a `known_hosts` file. Default: the user's own file."""
    host_key: Literal["verify", "accept_any_insecure"] = "verify"
    """Whether the hosts' keys are verified."""
    become: bool = False
    """Become another user on the hosts."""
    become_user: str | None = None
    """Whom to become. Default: root."""
    become_method: str | None = None
    """How, such as `sudo` or `su`."""
    become_password: SecretStr | None = None
    """The password that this takes."""
    vault_password: SecretStr | None = None
    """The password of Ansible Vault."""
    connect_timeout: int = Field(default=10, ge=1)
    """Seconds to wait for a connection."""
    collections_path: list[Path] = Field(default_factory=list)
    """Folders with collections."""
    roles_path: list[Path] = Field(default_factory=list)
    """Folders with roles."""
    requirements: Path | dict[str, Any] | list[Any] | None = None
    """Collections and roles of Ansible Galaxy, installed once into a cache: a `requirements.yml`, or what is in one."""
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    """Environment variables for Ansible and ansible-galaxy, such as `ANSIBLE_STDOUT_CALLBACK`."""
    verbosity: int = Field(default=0, ge=0, le=4)
    """How much Ansible tells, as `-v` to `-vvvv`."""

    def connection_vars(self) -> dict[str, Any]:
        """Return the variables that log in and become."""
        secrets = {
            "ansible_password": self.password,
            "ansible_become_password": self.become_password,
        }
        found: dict[str, Any] = {name: value.get_secret_value() for name, value in secrets.items() if value is not None}
        plain = {
            "ansible_user": self.user,
            "ansible_become_user": self.become_user,
            "ansible_become_method": self.become_method,
        }
        found.update({name: value for name, value in plain.items() if value is not None})
        return found

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the environment of Ansible, whose own files are kept in `folder`."""
        paths = {"ANSIBLE_COLLECTIONS_PATH": self.collections_path, "ANSIBLE_ROLES_PATH": self.roles_path}
        found = {
            "ANSIBLE_HOST_KEY_CHECKING": str(self.host_key == "verify"),
            "ANSIBLE_TIMEOUT": str(self.connect_timeout),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            **WHOLE_INVENTORY,
            "ANSIBLE_NOCOLOR": "True",
            "ANSIBLE_DEPRECATION_WARNINGS": "False",
        }
        trusted = Path("/dev/null") if self.host_key == "accept_any_insecure" else folder / "known_hosts"
        if self.host_key == "accept_any_insecure" or self.known_hosts is not None:
            found["ANSIBLE_SSH_ARGS"] = f"{_SSH_ARGS} -o UserKnownHostsFile={trusted}"
        found.update({name: ":".join(map(str, folders)) for name, folders in paths.items() if folders})
        return {**found, **self.env}


WHOLE_INVENTORY = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True"}
"""The setting without which Ansible goes on without the hosts of a source that it cannot read."""


def flow_path(ctx: Context, path: Path) -> Path:
    """Return `path`, which counts from the work folder: the flow's files lie there."""
    return path if path.is_absolute() else ctx.workdir / path
