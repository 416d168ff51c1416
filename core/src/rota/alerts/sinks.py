"""The sinks of the settings, made ready to send: their fields rendered with secrets, none of which is ever shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from rota.alerts.sink_context import SinkContext
from rota.errors import RotaError, SecretError, SettingsError
from rota.executions.masking import Masker
from rota.executions.secrets import ExecutionSecrets
from rota.extensions import Alert, AlertSink, Lease, SecretBackend
from rota.flows.task_fields import compile_field, typed_values
from rota.flows.templates import secret_values
from rota.settings import Settings, SinkSettings, class_of, validate_section

if TYPE_CHECKING:
    from rota.plugins import Plugins

KEPT = 300.0
"""Seconds for which the secrets in a sink's fields are not asked for again."""

Backends = Callable[[], Mapping[str, SecretBackend]]


@dataclass(frozen=True)
class ReadySink:
    """A sink with its values in place."""

    sink: AlertSink
    masker: Masker
    secrets: ExecutionSecrets
    made_at: float

    def send(self, alert: Alert, on_context: Callable[[SinkContext], object] = lambda _: None) -> None:
        """Deliver an alert. Raises RotaError; nothing that it says shows a secret."""
        ctx = SinkContext(alert, self.masker, self.secrets.get)
        on_context(ctx)
        try:
            self.sink.send(alert, ctx)
        except RotaError as error:
            raise RotaError(self.masker(error.message), hint=self.masker(error.hint)) from None
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            raise RotaError(self.masker(f"{type(error).__name__}: {error}")) from None


class Sinks:
    """The sinks by id. Safe for threads: each sink is used by one at a time."""

    def __init__(self, settings: Settings, plugins: Plugins, backends: Backends) -> None:
        self._settings = settings
        self._plugins = plugins
        self._backends = backends
        self._ready: dict[str, ReadySink] = {}
        self._sections = {section.id: (index, section) for index, section in enumerate(settings.sinks)}

    @property
    def ids(self) -> list[str]:
        """The ids of the sinks, in the order of the settings."""
        return list(self._sections)

    def section(self, name: str) -> SinkSettings | None:
        """Return what the settings say of a sink."""
        found = self._sections.get(name)
        return found[1] if found else None

    def ready(self, name: str) -> ReadySink:
        """Return a sink. Raises SecretError, SettingsError when it cannot be had."""
        found = self._ready.get(name)
        if found is None or time.monotonic() > found.made_at + KEPT:
            found = self._ready[name] = self.make(name)
        return found

    def forget(self, name: str) -> None:
        """Ask for everything anew when the sink is used next: a secret may have changed."""
        self._ready.pop(name, None)

    def make(self, name: str) -> ReadySink:
        """Make a sink anew, whatever was asked before. Raises SecretError, SettingsError."""
        if name not in self._sections:
            raise SettingsError(f"there is no sink `{name}`", hint="add it to `sinks` in rota.yaml")
        index, section = self._sections[name]
        cls = class_of(self._settings, ("sinks", index), section.type, self._plugins.alert_sink)
        masker = Masker()
        secrets = ExecutionSecrets("", self._backends(), masker, _refuse_lease)
        ctx = SinkContext(None, masker, secrets.get)

        def secret(path: str, *, fresh: bool = False) -> SecretStr:
            return secrets.get(path, ctx, fresh=fresh)

        try:
            values = {}
            for field, value in section.fields.items():
                values[field] = compile_field(cls, field, value).render({"secret": secret})
                for found in secret_values(values[field]):
                    masker.add_all(found)
            sink = validate_section(self._settings, ("sinks", index), typed_values(cls, values), cls)
        except SettingsError as error:
            raise SettingsError(masker(error.message), hint=error.hint) from None
        except RotaError as error:
            place = self._settings.place(("sinks", index))
            kind = SecretError if isinstance(error, SecretError) else RotaError
            # Sinks are of no namespace: they may ask every backend.
            reason = masker(error.message).removesuffix(" for namespace ``")
            raise kind(f"{place}: sink `{name}`: {reason}", hint=masker(error.hint)) from None
        for field in type(sink).model_fields:
            for found in secret_values(getattr(sink, field)):
                masker.add_all(found)
        return ReadySink(sink, masker, secrets, time.monotonic())


def _refuse_lease(backend: str, path: str, _: Lease) -> None:
    """Have the lease revoked: it belongs to no execution, so that nobody would keep it."""
    raise SecretError(
        f"secret `{path}` of backend `{backend}` has a lease, which nobody would renew",
        hint="give sinks secrets that are kept, not made on demand",
    )
