"""The keys of hosts as `known_hosts` files list them: plain, hashed and patterned names, authorities, revoked keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from rota import TaskFailed

DEFAULT_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_A_KEY = re.compile(r"(?:ssh-|ecdsa-|sk-)\S+ +\S+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: whom it names, what kind of key, and the key itself. `marker` is empty, or begins with `@`."""

    names: str
    kind: str
    blob: bytes
    marker: str = ""


@dataclass(slots=True)
class HostKeys:
    """What is known of one host."""

    keys: list[Entry] = field(default_factory=list)
    authorities: list[Entry] = field(default_factory=list)


class KnownHosts:
    """Parsed once, asked often: plain names are found by a look-up, only the others by going through the list."""

    def __init__(self, text: str) -> None:
        self._plain: dict[str, list[Entry]] = {}
        self._others: list[Entry] = []
        self._revoked: set[bytes] = set()
        for entry in _entries(text):
            self._add(entry)

    def of(self, name: str) -> HostKeys:
        """Return what is known of the host `name`, which is `[host]:port` for a port other than 22."""
        found = HostKeys(list(self._plain.get(name, ())))
        for entry in self._others:
            if _matches(entry.names, name):
                (found.authorities if entry.marker else found.keys).append(entry)
        return found

    def is_revoked(self, blob: bytes) -> bool:
        """Return whether a key is never to be trusted."""
        return blob in self._revoked

    def _add(self, entry: Entry) -> None:
        if entry.marker == "@revoked":
            self._revoked.add(entry.blob)
        elif entry.marker or any(char in entry.names for char in "*?!|"):
            self._others.append(entry)
        else:
            for name in entry.names.lower().split(","):
                self._plain.setdefault(name, []).append(entry)


def load_known_hosts(given: str | None) -> KnownHosts:
    """Return the known hosts of `given`: the path of a file or its text; None means the user's and the system's.

    Raises TaskFailed for a file that was named and cannot be read.
    """
    if given is None:
        return KnownHosts("\n".join(_optional(Path(name).expanduser()) for name in DEFAULT_FILES))
    if "\n" in given or _A_KEY.search(given):
        return KnownHosts(given)
    path = Path(given).expanduser()
    if not path.is_absolute():
        raise TaskFailed(
            f"`known_hosts` is neither text with keys nor a path from the root: `{given[:80]}`",
            retryable=False,
            hint="a file of the flow is given by its text: `{{ file('known_hosts') }}`",
        )
    try:
        return KnownHosts(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TaskFailed(f"`known_hosts` cannot be read: `{path}`: {reason}", retryable=False) from None


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint of a public key as `ssh-keygen -lf` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _optional(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _entries(text: str) -> Iterable[Entry]:
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3 or marker not in {"", "@cert-authority", "@revoked"}:
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except binascii.Error:
            continue
        yield Entry(words[0], words[1], blob, marker)


def _matches(names: str, name: str) -> bool:
    found = False
    for pattern in names.split(","):
        if pattern.startswith("|1|"):
            found = found or _is_hash_of(pattern, name)
        elif pattern.startswith("!"):
            if fnmatchcase(name, _glob(pattern[1:])):
                return False
        else:
            found = found or fnmatchcase(name, _glob(pattern))
    return found


def _glob(pattern: str) -> str:
    """Return OpenSSH's pattern, in which `[` has no meaning, as one of `fnmatch`."""
    return pattern.lower().replace("[", "[[]")


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    # OpenSSH hashes names with SHA-1.
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
