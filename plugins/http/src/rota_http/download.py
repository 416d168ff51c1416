"""Task type `http.download`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rota import Artifact, Context, NotFound, Task, TaskFailed
from rota_http.answer import CHUNK, Progress
from rota_http.connection_fields import ConnectionFields
from rota_http.sending_again import SendAgain

if TYPE_CHECKING:
    import httpx

    from rota_http.session import Session

_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_WORTH_KEEPING = 1 << 20
"""How many bytes of a broken download are kept for the next attempt."""


class Downloaded(BaseModel):
    """A file that was downloaded."""

    model_config = ConfigDict(use_attribute_docstrings=True, arbitrary_types_allowed=True)

    artifact: Artifact
    """The file."""
    size: int
    """Its number of bytes."""
    sha256: str
    """Its SHA-256 checksum, in lower-case hex."""
    etag: str | None
    """The version that the server calls it, with its quotes."""
    last_modified: str | None
    """When the server says it was changed last, as it says it."""
    resumed: int
    """How often the transfer broke and went on where it was."""


class _Changed(Exception):
    """The file at the server is another one now."""


@dataclass
class _File:
    """What there is of a file: the bytes go to `writer`."""

    writer: Any
    digests: dict[str, Any]
    validator: str | None = None
    done: int = 0
    resumed: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self.writer.write(data)
        self.done += len(data)
        for digest in self.digests.values():
            digest.update(data)


class Download(ConnectionFields, Task):
    """Download a file of any size to an artifact, in constant memory.

    A transfer that breaks goes on where it was, as long as the server still has the same file (by its ETag or its
    time); also in the next attempt of the task, and after a restart. Bytes are stored as they come.

    Example:
        - id: image
          type: http.download
          url: https://images.bank.internal/debian-12.qcow2
          ca_file: /etc/ssl/bank-ca.pem
          checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """

    idempotent: ClassVar[bool] = True

    name: str | None = Field(default=None, min_length=1)
    """What the artifact is called. Default: the last part of the address."""
    checksum: str | None = None
    """What the file must be: `sha256:` and hex, or `md5`, `sha1`, `sha224`, `sha384`, `sha512`."""
    resumes: int = Field(default=5, ge=0, le=1000)
    """How often to go on in one attempt of the task where the transfer broke without anything more having come."""
    send_again: SendAgain = SendAgain()
    """When to send again within one attempt of the task."""

    @field_validator("checksum")
    @classmethod
    def _is_a_checksum(cls, text: str | None) -> str | None:
        if text is None:
            return None
        kind, _, digits = text.lower().partition(":")
        if _LENGTHS.get(kind) != len(digits) or set(digits) - set("0123456789abcdef"):
            raise ValueError(f"a checksum is one of `{'`, `'.join(_LENGTHS)}`, a colon, and hex")
        return f"{kind}:{digits}"

    def run(self, ctx: Context) -> Downloaded:
        from rota_http.session import session

        with session(ctx, self) as http:
            for _ in range(3):
                try:
                    return self._whole(ctx, http)
                except _Changed:
                    ctx.log.warning("the file changed at the server: it is downloaded from its beginning")
                    ctx.state.pop("partial", None)
        raise TaskFailed("the file at the server changes all the time")

    def _whole(self, ctx: Context, http: Session) -> Downloaded:
        """Download the file to its end. Raises TaskFailed, with what there is kept, and _Changed."""
        failed: TaskFailed | None = None
        with ctx.artifacts.writer(self.name or self._name(http)) as writer:
            file = _File(writer, {name: hashlib.new(name, usedforsecurity=False) for name in self._kinds()})
            self._take_up(ctx, file)
            try:
                self._transfer(ctx, http, file)
                self._check(file)
            except TaskFailed as error:
                if error.retryable is False:
                    ctx.state.pop("partial", None)
                if file.done < _WORTH_KEEPING or file.validator is None or error.retryable is False:
                    raise
                failed = error
        if failed is not None:
            kept = {"uri": writer.artifact.uri, "validator": file.validator}
            ctx.state["partial"] = kept
            raise failed
        ctx.state.pop("partial", None)
        return Downloaded(
            artifact=writer.artifact,
            size=file.done,
            sha256=writer.artifact.sha256,
            etag=file.headers.get("etag"),
            last_modified=file.headers.get("last-modified"),
            resumed=file.resumed,
        )

    def _kinds(self) -> set[str]:
        """Return what to compute beside the SHA-256 that every artifact has, which is known too late to refuse it."""
        return {self.checksum.partition(":")[0]} if self.checksum else set()

    def _name(self, http: Session) -> str:
        from rota_http.answer import name_of_path

        return name_of_path(http.request().url.path)

    def _take_up(self, ctx: Context, file: _File) -> None:
        """Begin with what an attempt before this one left."""
        kept = ctx.state.get("partial")
        if kept is None:
            return
        try:
            with ctx.artifacts.open(kept["uri"]) as part:
                while data := part.read(CHUNK):
                    file.write(data)
        except NotFound:
            return
        file.validator, file.resumed = kept["validator"], 1

    def _transfer(self, ctx: Context, http: Session, file: _File) -> None:
        idle = again = 0
        while True:
            before = file.done
            try:
                pause = self._exchange(ctx, http, file, again)
                if pause is None:
                    return
                again += 1
            except TaskFailed as error:
                idle = 0 if file.done > before else idle + 1
                may = error.retryable is not False and not ctx.cancelled.is_set() and file.validator is not None
                if not may or idle > self.resumes or not file.done:
                    raise
                pause = min(0.5 * 2**idle, 30) if idle else 0
                file.resumed += 1
                ctx.log.warning(f"{error.message}: going on at byte {file.done}")
            http.wait(pause)

    def _exchange(self, ctx: Context, http: Session, file: _File, again: int) -> float | None:
        """Get what is left of the file; return how long to wait where the server wants that. Raises TaskFailed."""
        headers = {"Accept-Encoding": "identity"}
        if file.done and file.validator:
            headers |= {"Range": f"bytes={file.done}-", "If-Range": file.validator}
        with http.open(http.request(headers=headers)) as response:
            pause = self.send_again.pause(response, again)
            if pause is not None:
                return pause
            if file.done and response.status_code == 416:
                if response.headers.get("Content-Range", "").endswith(f"/{file.done}"):
                    return None
                raise _Changed
            self._accept(response, file)
            file.headers = dict(response.headers)
            file.validator = _validator(response)
            length = response.headers.get("Content-Length", "")
            progress = Progress(ctx, file.done + int(length) if length.isdecimal() else None)
            # Without a size: with one, what has come of a chunk is lost when the connection breaks.
            for chunk in response.iter_raw():
                file.write(chunk)
                progress(file.done)
        return None

    def _accept(self, response: httpx.Response, file: _File) -> None:
        """Make sure that what comes is what is missing. Raises TaskFailed, and _Changed."""
        from rota_http.failures import refused

        status = response.status_code
        if status == 206 and file.done:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {file.done}-"):
                raise _Changed
        elif status == 200 and file.done:
            raise _Changed
        elif status != 200:
            raise refused(response, self.url)

    def _check(self, file: _File) -> None:
        if self.checksum is None:
            return
        kind, _, wanted = self.checksum.partition(":")
        found = file.digests[kind].hexdigest()
        if found != wanted:
            raise TaskFailed(
                f"the file is not what it should be: its {kind} is `{found}`, not `{wanted}`", retryable=False
            )


def _validator(response: httpx.Response) -> str | None:
    """Return what the server knows the same file by: a strong ETag, or the time of its last change."""
    if response.headers.get("Accept-Ranges", "") == "none" or "Content-Encoding" in response.headers:
        return None
    etag = response.headers.get("ETag", "")
    found: str | None = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    return found
