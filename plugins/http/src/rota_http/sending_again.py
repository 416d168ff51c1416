"""Sending again what a server was too busy for, when it says so by a status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from rota import Duration

if TYPE_CHECKING:
    import httpx


class SendAgain(BaseModel):
    """When a request is sent again within one attempt of the task."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    statuses: list[int] = [429, 503]
    """The statuses that say so. 502 and 504 may come after the request was carried out."""
    times: int = Field(default=3, ge=0, le=100)
    """How often at most; 0 never."""
    delay: Duration = timedelta(seconds=1)
    """How long to wait before the first time; it doubles with each. `Retry-After` of the server
    goes first."""
    max_delay: Duration = timedelta(minutes=1)
    """The longest wait. A server that asks for a longer one makes the task fail, to be retried as the flow says."""

    def pause(self, response: httpx.Response, done: int) -> float | None:
        """Return how many seconds to wait before sending again for the time after `done`; None to take the answer."""
        if response.status_code not in self.statuses or done >= self.times:
            return None
        longest = self.max_delay.total_seconds()
        asked = retry_after(response)
        if asked is not None:
            return asked if asked <= longest else None
        return float(min(self.delay.total_seconds() * 2**done, longest))


def retry_after(response: httpx.Response) -> float | None:
    """Return for how many seconds the server wants to be left alone, or None where it does not say."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
