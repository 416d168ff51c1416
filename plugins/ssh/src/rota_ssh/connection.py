"""A connection to a host, lent by the context to one task after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

from rota import Context, TaskFailed
from rota_ssh.endpoint import Endpoint
from rota_ssh.failures import broken, late, lost

if TYPE_CHECKING:
    import paramiko

    from rota_ssh.transport import SshTransport


T = TypeVar("T")


class Connection:
    """Logged in, with its host verified. `held` is what lives as long: the socket, the way through a jump host."""

    def __init__(self, endpoint: Endpoint, transport: SshTransport, held: ExitStack) -> None:
        self.endpoint, self.transport = endpoint, transport
        self._held = held
        self._sftp: paramiko.SFTPClient | None = None

    @property
    def alive(self) -> bool:
        """Whether the other side was there when last heard of."""
        return self.transport.is_active()

    def close(self) -> None:
        """End it, and give the jump host back."""
        self._held.close()

    def session(self, doing: str) -> paramiko.Channel:
        """Return a new channel for a command. Raises TaskFailed; `doing` says in words what for."""
        timeout = self.endpoint.operation_timeout
        return self._open(lambda: self.transport.open_session(timeout=timeout), doing)

    def sftp(self) -> paramiko.SFTPClient:
        """Return the client for files, opened when it is first asked for. Raises TaskFailed."""
        if self._sftp is None or self._sftp.get_channel().closed:  # type: ignore[union-attr]
            self._sftp = self._open(self._open_sftp, "opening a channel for files")
        return self._sftp

    def tunnel(self, endpoint: Endpoint, timeout: float) -> paramiko.Channel:
        """Return a channel to the port of another host. Raises TaskFailed."""
        import paramiko

        try:
            return self.transport.open_channel(
                "direct-tcpip", (endpoint.host, endpoint.port), ("127.0.0.1", 0), timeout=timeout
            )
        except paramiko.ChannelException as error:
            raise TaskFailed(
                f"the jump host `{self.endpoint.address}` cannot reach `{endpoint.address}`: {error.text.lower()}"
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            if self.alive:
                raise TaskFailed(
                    f"`{endpoint.address}` did not answer the jump host `{self.endpoint.address}` within"
                    f" {endpoint.connect_timeout:g} s"
                ) from None
            raise lost(self.endpoint, error, f"reaching `{endpoint.address}` through it") from broken(error)

    def _open_sftp(self) -> paramiko.SFTPClient:
        import paramiko

        channel = self.transport.open_session(timeout=self.endpoint.operation_timeout)
        channel.settimeout(self.endpoint.operation_timeout)
        channel.invoke_subsystem("sftp")
        return paramiko.SFTPClient(channel)

    def _open(self, opening: Callable[[], T], doing: str) -> T:
        import paramiko

        try:
            return opening()
        except paramiko.ChannelException as error:
            raise TaskFailed(f"`{self.endpoint.address}` refused {doing}: {error.text.lower()}") from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            if not self.alive:  # that it gives no sign of life is a TimeoutError, too
                raise lost(self.endpoint, error, doing) from broken(error)
            if isinstance(error, TimeoutError) or "timeout" in str(error).lower():
                raise late(self.endpoint, doing) from TimeoutError()
            raise TaskFailed(f"`{self.endpoint.address}` refused {doing}: {error}") from None


class _Stale(ConnectionError):
    """A connection that was lent is dead already: it is to be dropped."""


@contextmanager
def connection_to(ctx: Context, endpoint: Endpoint, *, shared: bool = False) -> Iterator[Connection]:
    """Lend a connection to `endpoint`, a new one where there is none that lives. Raises TaskFailed.

    A jump host is `shared`; any other is lent to one task at a time, since hosts limit what one connection may do.
    """
    from rota_ssh.dialling import dial

    for _ in range(3):
        try:
            with ctx.client(("ssh", endpoint), lambda: dial(ctx, endpoint), Connection.close, shared=shared) as found:
                if not found.alive:
                    raise _Stale(endpoint.address)
                yield found
                return
        except _Stale:
            continue
    raise lost(endpoint, None, "connecting") from broken(None)
