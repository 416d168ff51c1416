"""What the plugin brings to Rota. This module only registers."""

from __future__ import annotations

from collections.abc import Iterable

from rota import AlertSink, hookimpl
from rota_apprise.sink import Url


@hookimpl
def register_alert_sinks() -> Iterable[type[AlertSink]]:
    """Return the alert sinks; `Url` is `apprise.url` in `rota.yaml`."""
    return [Url]
