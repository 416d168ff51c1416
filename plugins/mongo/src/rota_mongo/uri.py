"""MongoDB connection strings, as text: taken apart for messages, put together for the MongoDB tools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

_URI = re.compile(r"(mongodb(?:\+srv)?)://(?:(.*)@)?([^/?@]*)(/[^?]*)?(?:\?(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UriParts:
    """A connection string: `login` is `user:password` as written, `database` and `query` may be empty."""

    scheme: str
    login: str
    hosts: str
    database: str
    query: str

    def text(self, **changes: str) -> str:
        """Return it as one text, with the options of `changes` in place of those of the same names."""
        names = {name.lower() for name in changes}
        kept = [pair for pair in self.query.split("&") if pair and pair.partition("=")[0].lower() not in names]
        query = "&".join([*kept, *(f"{name}={quote(value, safe='')}" for name, value in changes.items())])
        login = f"{self.login}@" if self.login else ""
        return f"{self.scheme}://{login}{self.hosts}/{self.database}" + (f"?{query}" if query else "")

    def secrets(self) -> list[str]:
        """Return what of it no message may show: the password, as written and as meant."""
        written = self.login.partition(":")[2]
        found = [written, unquote(written)]
        found += [pair.partition("=")[2] for pair in self.query.split("&") if "token" in pair.lower()]
        return [secret for secret in found if secret]


def split_uri(uri: str) -> UriParts:
    """Return the parts of a connection string; one that is none has no hosts."""
    found = _URI.fullmatch(uri)
    if found is None:
        return UriParts("mongodb", "", "", "", "")
    scheme, login, hosts, path, query = found.groups()
    return UriParts(scheme, login or "", hosts, (path or "/")[1:], query or "")
