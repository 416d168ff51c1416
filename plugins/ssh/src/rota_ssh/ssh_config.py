"""What OpenSSH's client configuration says about a host, for tasks that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rota import TaskFailed

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What the configuration says about one host; None and empty where it says nothing."""

    address: str | None = None
    port: int | None = None
    user: str | None = None
    key_files: tuple[Path, ...] = ()
    certificate_files: tuple[Path, ...] = ()
    known_hosts: str | None = None
    key_alias: str | None = None


class SshConfig:
    """A configuration file, or none: then nothing is said about any host."""

    def __init__(self, parsed: Any = None, path: Path | None = None) -> None:
        self._parsed, self._path = parsed, path

    @classmethod
    def read(cls, wanted: bool | Path) -> SshConfig:
        """Read `~/.ssh/config` for True, the file of a path, nothing for False. Raises TaskFailed."""
        if wanted is False:
            return cls()
        import paramiko

        path = (Path("~/.ssh/config") if wanted is True else wanted).expanduser()
        try:
            return cls(paramiko.SSHConfig.from_path(str(path)), path)
        except FileNotFoundError:
            if wanted is True:  # as for OpenSSH, a configuration that is not there says nothing
                return cls(paramiko.SSHConfig(), path)
            raise TaskFailed(f"there is no SSH configuration `{path}`", retryable=False) from None
        except (OSError, UnicodeDecodeError, paramiko.ssh_exception.ConfigParseError) as error:
            raise TaskFailed(f"the SSH configuration `{path}` cannot be read: {error}", retryable=False) from None

    def of(self, host: str) -> HostSettings:
        """Return what is said about `host`. Raises TaskFailed for what Rota cannot do."""
        if self._parsed is None:
            return HostSettings()
        found = self._lookup(host)
        files = [Path(name).expanduser() for name in found.get("identityfile", [])]
        if not files:
            files = [Path("~/.ssh").expanduser() / name for name in _DEFAULT_KEYS]
        return HostSettings(
            address=found.get("hostname"),
            port=int(found["port"]) if "port" in found else None,
            user=found.get("user"),
            key_files=tuple(path for path in files if path.is_file()),
            certificate_files=tuple(Path(name).expanduser() for name in _many(found.get("certificatefile"))),
            known_hosts=next(iter(str(found.get("userknownhostsfile", "")).split()), None),
            key_alias=found.get("hostkeyalias"),
        )

    def jumps(self, host: str) -> list[str]:
        """Return the jump hosts on the way to `host`, the nearest first."""
        way = str(self._lookup(host).get("proxyjump", "none")) if self._parsed is not None else "none"
        return [] if way.lower() == "none" else [name.strip() for name in way.split(",")]

    def _lookup(self, host: str) -> dict[str, Any]:
        import paramiko

        try:
            found = dict(self._parsed.lookup(host))
        except (paramiko.SSHException, ImportError, ValueError) as error:
            raise TaskFailed(f"the SSH configuration `{self._path}` cannot be used: {error}", retryable=False) from None
        if found.get("proxycommand", "none").lower() != "none":
            raise TaskFailed(
                f"the SSH configuration `{self._path}` has a ProxyCommand for `{host}`, which Rota does not run",
                retryable=False,
                hint="write ProxyJump there, or `jump` in the flow",
            )
        return found


def _many(value: Any) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [str(value)]
