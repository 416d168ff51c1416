"""What a request carries: JSON, a form, text, an artifact or a file, or several parts; streamed where it is large."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from rota import Artifact, Context, TaskFailed
from rota_http.connection_fields import ConnectionFields, Scalar, reveal

_CHUNK = 1 << 16


def _as_part(value: Any) -> Any:
    if isinstance(value, Artifact):
        return {"artifact": value}
    return {"path": value} if isinstance(value, str) else value


class Part(BaseModel):
    """One file of a form: an artifact, the path of a file in the work folder, or text."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    artifact: Artifact | None = None
    """A stored file."""
    path: str | None = None
    """A file in the work folder, where the flow's `files` are."""
    content: str | SecretStr | None = Field(default=None, repr=False)
    """The text itself."""
    filename: str | None = None
    """How the file is called. Default: as the artifact or the path is."""
    content_type: str | None = None
    """What kind of file it is. Default: as its name says."""

    @model_validator(mode="after")
    def _is_one(self) -> Part:
        if sum(value is not None for value in (self.artifact, self.path, self.content)) != 1:
            raise ValueError("one of `artifact`, `path` and `content`")
        return self


class BodyFields(ConnectionFields):
    """What is sent; one of them, or `form` with `files`."""

    json_body: Any = Field(default=None, alias="json", repr=False)
    """JSON values to send."""
    form: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict, repr=False)
    """Fields of a form to send."""
    body: str | SecretStr | Artifact | None = Field(default=None, repr=False)
    """Text to send as it is, or an artifact, which is streamed."""
    body_file: str | None = Field(default=None, min_length=1)
    """A file of the work folder to send, where the flow's `files` are; it is streamed."""
    files: dict[str, Annotated[Part, BeforeValidator(_as_part)]] = Field(default_factory=dict, repr=False)
    """Files to send as parts of a form, by the name of their field: an artifact, a path in the work folder, or
    `{artifact | path | content, filename, content_type}`."""

    @model_validator(mode="after")
    def _has_one_body(self) -> BodyFields:
        has_json = "json_body" in self.model_fields_set
        given = {
            "json": has_json,
            "form": bool(self.form or self.files),
            "body": self.body is not None,
            "body_file": self.body_file is not None,
        }
        names = [name for name, is_given in given.items() if is_given]
        if len(names) > 1:
            raise ValueError(f"either `{'` or `'.join(names)}`, not both")
        return self


class FileBody:
    """The bytes of a file, opened whenever they are sent: a redirect or a retry sends them again."""

    def __init__(self, open_file: Callable[[], IO[bytes]], progress: Callable[[int], object]) -> None:
        self._open, self._progress = open_file, progress

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        with self._open() as file:
            while data := file.read(_CHUNK):
                yield data
                done += len(data)
                self._progress(done)


def content_of(
    ctx: Context, fields: BodyFields, held: ExitStack, json_value: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what httpx sends for the fields, and the headers for it; files stay open as long as `held`.

    Raises TaskFailed for a file that is not there.
    """
    if "json_body" in fields.model_fields_set:
        try:
            text = json.dumps(reveal(json_value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return {"content": text.encode()}, {"Content-Type": "application/json"}
        except (TypeError, ValueError) as error:
            raise TaskFailed(f"`json` has no JSON form: {error}", retryable=False) from None
    if fields.files:
        parts = [(name, _part(ctx, name, part, held)) for name, part in fields.files.items()]
        return {"data": reveal(fields.form), "files": parts}, {}
    if fields.form:
        return {"data": reveal(fields.form)}, {}
    if isinstance(fields.body, Artifact):
        artifact = fields.body
        return _streamed(ctx, lambda: ctx.artifacts.open(artifact), artifact.size)
    if fields.body_file is not None:
        path = _file(ctx, fields.body_file)
        return _streamed(ctx, lambda: path.open("rb"), path.stat().st_size)
    if fields.body is not None:
        return {"content": str(reveal(fields.body)).encode()}, {"Content-Type": "text/plain; charset=utf-8"}
    return {}, {}


def _streamed(ctx: Context, open_file: Callable[[], IO[bytes]], size: int) -> tuple[dict[str, Any], dict[str, str]]:
    from rota_http.answer import Progress

    progress = Progress(ctx, size)
    return {"content": FileBody(open_file, progress)}, {"Content-Length": str(size)}


def _part(ctx: Context, name: str, part: Part, held: ExitStack) -> tuple[Any, ...]:
    if part.content is not None:
        data: Any = reveal(part.content).encode()
        called = part.filename or name
    elif part.artifact is not None:
        data, called = held.enter_context(ctx.artifacts.open(part.artifact)), part.filename or part.artifact.name
    else:
        path = _file(ctx, part.path or "")
        data, called = held.enter_context(path.open("rb")), part.filename or path.name
    return (called, data, part.content_type) if part.content_type else (called, data)


def _file(ctx: Context, name: str) -> Path:
    path = ctx.in_workdir(name)
    if not path.is_file():
        raise TaskFailed(
            f"there is no file `{name}` in the work folder", retryable=False, hint="the flow's `files` are there"
        )
    return path
