"""Collects the files that a flow names in `files`."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

MAX_FILES = 1_000
MAX_FILE_BYTES = 16 << 20
MAX_TOTAL_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FlowFile:
    """A file of a flow: `name` is its path below the flow's folder, with slashes; `sha256` is lower-case hex."""

    name: str
    sha256: str
    content: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.content)


class Refused(ValueError):
    """A pattern that cannot be followed; `hint` is the way out."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Collector:
    """Reads what patterns name below `folder`, each file once, within limits for all together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, FlowFile] = {}
        self._total = 0

    @property
    def files(self) -> tuple[FlowFile, ...]:
        """What was read, by name."""
        return tuple(self._files[name] for name in sorted(self._files))

    def add(self, pattern: str) -> None:
        """Read the files that `pattern` names: `report.py`, `templates/*.j2`, `sql/**`. Raises Refused."""
        _check_pattern(pattern)
        found = False
        for name in self._names(pattern):
            found = True
            if name not in self._files:
                self._add(name)
        if not found:
            hint = (
                "hidden files are only found by a pattern with the dot" if glob.has_magic(pattern) else "check the name"
            )
            raise Refused(f"there is no file `{pattern}` in `{self._folder}`", hint)

    def _names(self, pattern: str) -> Iterator[str]:
        # Not `Path.glob`, which takes hidden files for `*`: nobody means `.env` and `.git` by that.
        for found in glob.iglob(pattern, root_dir=self._folder, recursive=True):  # noqa: PTH207
            name = PurePosixPath(found).as_posix()
            self._refuse_links(name)
            path = self._folder / name
            if not path.is_dir():
                yield name
            elif not glob.has_magic(pattern):
                raise Refused(f"`{name}` is a folder", f"write `{name}/**` for all that is in it")

    def _refuse_links(self, name: str) -> None:
        path = self._folder
        for part in PurePosixPath(name).parts:
            path /= part
            if path.is_symlink():
                raise Refused(f"`{path.relative_to(self._folder)}` is a link", "copy the file itself there")

    def _add(self, name: str) -> None:
        content = _read(self._folder / name, name)
        self._total += len(content)
        if len(self._files) >= MAX_FILES or self._total > MAX_TOTAL_BYTES:
            raise Refused(
                f"`files` names more than {MAX_FILES:,} files or {MAX_TOTAL_BYTES >> 20} MiB",
                "name only what the tasks read; put data into artifacts",
            )
        self._files[name] = FlowFile(name, hashlib.sha256(content).hexdigest(), content)


def _check_pattern(pattern: str) -> None:
    path = PurePosixPath(pattern)
    if not pattern.strip() or "\0" in pattern:
        raise Refused("a name in `files` is empty", "write the name of a file beside the flow")
    if path.is_absolute() or ".." in path.parts or "\\" in pattern:
        raise Refused(f"`{pattern}` leads out of the flow's folder", "copy the file into the folder of the flow")


def _read(path: Path, name: str) -> bytes:
    try:
        # A link or a pipe may have taken the file's place since it was found.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused(f"`{name}` is not a regular file", "only plain files can be stored")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "input error").lower()
        raise Refused(f"`{name}` cannot be read: {reason}", "check its permissions") from None
    if len(content) > MAX_FILE_BYTES:
        raise Refused(f"`{name}` is larger than {MAX_FILE_BYTES >> 20} MiB", "put large data into artifacts")
    return content
