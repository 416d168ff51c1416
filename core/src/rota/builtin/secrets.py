"""Secret backends `env` and `file`: variables of this process, and folders as Docker and Kubernetes mount them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath

from pydantic import Field, SecretStr

from rota import Context, Secret, SecretBackend, SecretError

MAX_BYTES = 1 << 20
"""The largest secret."""


class Env(SecretBackend):
    """Secrets from environment variables of the process that runs Rota.

    `secret('ssh/backup')` is the variable `SECRET_SSH_BACKUP`. Where that is a JSON object, its texts are
    the fields; `secret('ssh/backup#key')` is also the variable `SECRET_SSH_BACKUP__KEY`.

    Example:
        - {id: env, type: env, prefix: BANK_SECRET_, namespaces: [data]}
    """

    prefix: str = Field(default="SECRET_", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """What the names of the variables start with."""

    def get(self, path: str, ctx: Context) -> Secret | None:
        name = self.prefix + re.sub(r"[^A-Za-z0-9]", "_", path).upper()
        fields: dict[str, SecretStr] = {}
        if name in os.environ:
            fields |= _fields(os.environ[name])
        for variable, text in os.environ.items():
            if variable.startswith(f"{name}__"):
                fields[variable.removeprefix(f"{name}__").lower()] = SecretStr(text)
        return Secret(fields) if fields else None


class File(SecretBackend):
    """Secrets from files of a folder, as Docker and Kubernetes mount them.

    `secret('db')` is the file `db`, or its fields where it holds a JSON object; `secret('db#password')` is
    also the file `password` in the folder `db`. One line break at the end of a file is left out.

    Example:
        - {id: mounted, type: file, folder: /run/secrets}
    """

    folder: Path
    """The folder. Links in it may not lead out of it."""

    def get(self, path: str, ctx: Context) -> Secret | None:
        name = PurePosixPath(path)
        if name.is_absolute() or ".." in name.parts or not name.parts or "\0" in path:
            raise SecretError(f"`{path}` is not a path of a secret", hint="write it like `db/backup`")
        if not self.folder.is_dir():
            raise SecretError(f"the folder of secrets `{self.folder}` is not there", retryable=True)
        try:
            return self._read(self.folder / name, path)
        except OSError as error:
            raise SecretError(f"the secret `{path}` cannot be read: {error.strerror}") from None

    def _read(self, place: Path, path: str) -> Secret | None:
        if not place.exists():
            return None
        if place.is_dir():
            # Kubernetes keeps the files themselves in hidden folders, and links to them.
            files = [file for file in sorted(self._inside(place, path).iterdir()) if not file.name.startswith("..")]
            fields = {file.name: _text(self._inside(file, path), path) for file in files if file.is_file()}
            return Secret({name: SecretStr(text) for name, text in fields.items()}) if fields else None
        return Secret(_fields(_text(self._inside(place, path), path)))

    def _inside(self, place: Path, path: str) -> Path:
        real = place.resolve()
        if not real.is_relative_to(self.folder.resolve()):
            raise SecretError(f"the secret `{path}` is a link that leads out of `{self.folder}`")
        return real


def _text(file: Path, path: str) -> str:
    if not file.is_file():
        raise SecretError(f"the secret `{path}` is not a file")
    if file.stat().st_size > MAX_BYTES:
        raise SecretError(f"the secret `{path}` is larger than {MAX_BYTES >> 20} MiB")
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError:
        raise SecretError(f"the secret `{path}` is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _fields(text: str) -> dict[str, SecretStr]:
    """Return the fields of a secret that is one text: itself as `value`, and those of a JSON object."""
    fields = {"value": SecretStr(text)}
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except ValueError:
            return fields
        fields |= {name: SecretStr(value) for name, value in values.items() if isinstance(value, str)}
    return fields
