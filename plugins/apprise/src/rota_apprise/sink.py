"""The sink `apprise.url`: any service that the Apprise library can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, field_validator

from rota import Alert, AlertSink, Context, TaskFailed
from rota_apprise.addresses import schema_of, with_parameter, without_secrets

if TYPE_CHECKING:
    from apprise import Apprise, NotifyType

_IDENTIFIED = {"json": "+Idempotency-Key", "form": "+Idempotency-Key", "xml": "+Idempotency-Key"}
_IDENTIFIED |= {f"{schema}s": parameter for schema, parameter in _IDENTIFIED.items()}
_IDENTIFIED |= {"mailto": "+X-Rota-Alert", "mailtos": "+X-Rota-Alert"}
"""The parameter of a URL that takes the id of the delivery, by the URL's schema."""


class Url(AlertSink):
    """Send alerts to a service by its Apprise URL: chat, mail, pagers, push messages, HTTP.

    The URL holds the credentials of the service, so it is best kept as a secret; it is never shown. Its forms are
    in Apprise's documentation: `slack://…`, `msteams://…`, `mmosts://…`, `pagerduty://…`, `ntfys://…`, `mailtos://…`.

    Example:
        - {id: chat, type: apprise.url, url: "{{ secret('alerts/chat#url') }}"}
    """

    url: SecretStr
    """The URL of the service, in the form that Apprise wants."""
    id_parameter: str | None = Field(default=None, pattern=r"^[+:-]?[A-Za-z0-9_-]+$")
    """The parameter of the URL that takes the id of the message, for services that deduplicate: `dedup`. By default
    `json://`, `xml://`, `form://` send it as the header `Idempotency-Key`, `mailto://` as `X-Rota-Alert`."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: SecretStr) -> SecretStr:
        schema = schema_of(url.get_secret_value())
        if not schema:
            raise ValueError("the URL begins with the name of a service and `://`, such as `mailtos://`")
        _opened(url.get_secret_value())
        return url

    def send(self, alert: Alert, ctx: Context) -> None:
        from apprise import OverflowMode

        url = self.url.get_secret_value()
        schema = schema_of(url)
        parameter = self.id_parameter or _IDENTIFIED.get(schema)
        service = _opened(with_parameter(url, parameter, alert.id) if parameter else url)
        if "overflow=" not in url:
            for target in service:
                target.overflow_mode = OverflowMode.TRUNCATE
        result = service.notify(
            title=alert.title, body=f"{alert.text}\nid: {alert.id}", notify_type=_kind(alert), body_format="text"
        )
        if not result:
            reasons = [entry.message for entry in result.logs()] or ["the service did not take the message"]
            # The last one says how it ended; those before are about single tries.
            raise TaskFailed(f"`{schema}`: {without_secrets(' '.join(reasons[-1].split()), url)}")


def _opened(url: str) -> Apprise:
    """Return the one service of a URL. Raises ValueError for one that Apprise does not know or that is incomplete."""
    import logging

    from apprise import Apprise, AppriseAsset

    # Whatever Apprise has to say is in its results, and in no log: there it would show parts of URLs.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    asset = AppriseAsset(app_id="Rota", app_desc="Rota", app_url="", storage_mode="memory")
    service = Apprise(asset=asset)
    if not service.add(url):
        raise ValueError(f"Apprise knows no service `{schema_of(url)}`, or the URL lacks a part of it")
    return service


def _kind(alert: Alert) -> NotifyType:
    from apprise import NotifyType

    if alert.state == "recovered":
        return NotifyType.SUCCESS
    if alert.severity == "info":
        return NotifyType.INFO
    return NotifyType.WARNING if alert.severity == "warning" else NotifyType.FAILURE
