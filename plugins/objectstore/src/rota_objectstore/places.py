"""Where objects are: URIs of the kinds `s3://`, `gs://`, `az://` and `file://`."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

SCHEMES = ("s3", "gs", "az", "file")


@dataclass(frozen=True, slots=True)
class Place:
    """An object, or a folder of objects, in a bucket (the container of Azure; none for files).

    `key` has no slash at its start or end; `is_folder` says that there was one at its end.
    """

    scheme: str
    bucket: str
    key: str
    is_folder: bool = False

    @property
    def uri(self) -> str:
        """The URI as a flow would write it."""
        end = "/" if self.is_folder and self.key else ""
        return f"{self.scheme}://{self.bucket}/{self.key}{end}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return posixpath.basename(self.key)

    def at(self, key: str) -> Place:
        """Return the place of another key in the same bucket."""
        return replace(self, key=key, is_folder=False)

    def below(self, name: str) -> Place:
        """Return the place of `name` in this folder."""
        return self.at(f"{self.key}/{name}" if self.key else name)

    def relative(self, key: str) -> str:
        """Return what `key` is called in this folder."""
        return key[len(self.key) :].lstrip("/") if self.key else key


@lru_cache(maxsize=256)  # a task asks when it is made and when it runs
def parse_uri(uri: str) -> Place:
    """Return the place that a URI names; nothing in it is decoded. Raises ValueError."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError(f"`{uri[:80]}` is no URI of an object: write `s3://`, `gs://`, `az://` or `file://` before it")
    bucket, _, key = rest.partition("/")
    if scheme == "file" and bucket:
        raise ValueError("a `file://` URI has an absolute path: `file:///var/backups`")
    if scheme != "file" and not bucket:
        raise ValueError(f"`{uri[:80]}` names no bucket: `{scheme}://bucket/key`")
    parts = key.rstrip("/").split("/") if key.strip("/") else []
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"`{uri[:80]}` has an empty part, `.` or `..` in its key")
    return Place(scheme, bucket, "/".join(parts), is_folder=key.endswith("/") or not parts)


def place_of_path(path: Path) -> Place:
    """Return the place of a file or folder of this machine."""
    return Place("file", "", str(path.resolve()).lstrip("/"), is_folder=path.is_dir())


def _checked(uri: str) -> str:
    parse_uri(uri)
    return uri


def _checked_object(uri: str) -> str:
    if parse_uri(uri).is_folder:
        raise ValueError(f"`{uri[:80]}` is a folder: an object is meant, without a `/` at the end")
    return uri


_EXAMPLES: dict[str, Any] = {"examples": ["s3://backups/db-17/dump.gz"]}
Uri = Annotated[str, AfterValidator(_checked), Field(json_schema_extra=_EXAMPLES)]
"""A field that takes the URI of an object or of a folder."""
ObjectUri = Annotated[str, AfterValidator(_checked_object), Field(json_schema_extra=_EXAMPLES)]
"""A field that takes the URI of an object."""
