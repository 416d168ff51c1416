"""What a server answered, as an output: values and text where it is short, an artifact where it is long."""

from __future__ import annotations

import json
import re
import time
import warnings
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Secret, SecretStr

from rota import Artifact, Context, TaskFailed

if TYPE_CHECKING:
    import httpx

CHUNK = 1 << 16

with warnings.catch_warnings():
    # `json` hides a method of pydantic's that has long been replaced, and is what everybody looks for.
    warnings.filterwarnings("ignore", message='Field name "json"', category=UserWarning)

    class Answer(BaseModel):
        """What the server answered."""

        model_config = ConfigDict(use_attribute_docstrings=True, arbitrary_types_allowed=True)

        status: int
        """The status code."""
        headers: dict[str, str | SecretStr]
        """The headers, their names in lower case; one that came several times is joined by commas. A cookie that is
        set is a secret."""
        url: str
        """The address that answered in the end, without its query."""
        json: Any = None
        """The body's values where it is JSON; the items of all pages with `pages`."""
        text: str | SecretStr | None = None
        """The body where it is text; empty for an empty one."""
        artifact: Artifact | None = None
        """The body as a stored file, where it is long, no text, or wanted so."""
        size: int
        """The number of bytes of the body, or of all pages."""
        pages: int = 1
        """How many pages were read."""


class Progress:
    """Says how far a transfer is, twice a second at most."""

    def __init__(self, ctx: Context, total: int | None) -> None:
        self._ctx, self._total = ctx, total
        self._next = time.monotonic() + 0.5

    def __call__(self, done: int) -> None:
        """Say that `done` bytes are through."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.5
            self._ctx.progress(done, self._total)


def receive(ctx: Context, response: httpx.Response, limit: int | None) -> bytes | Artifact:
    """Read the body: up to `limit` bytes into memory, a longer one into an artifact, in constant memory.

    Without a limit it always becomes an artifact.
    """
    head = bytearray()
    chunks = response.iter_bytes()
    if limit is not None:
        for chunk in chunks:
            head += chunk
            if len(head) > limit:
                break
        else:
            return bytes(head)
    progress = Progress(ctx, content_length(response))
    with ctx.artifacts.writer(name_of(response)) as writer:
        writer.write(bytes(head))
        done = len(head)
        for chunk in chunks:
            writer.write(chunk)
            done += len(chunk)
            progress(done)
    return writer.artifact


def answer_of(
    ctx: Context, response: httpx.Response, body: bytes | Artifact, parse: Literal["auto", "json", "text"]
) -> Answer:
    """Return the output for a body that was received. Raises TaskFailed for JSON that is none."""
    shown = Answer(
        status=response.status_code,
        headers=_headers(response),
        url=str(response.url.copy_with(query=None, fragment=None)),
        size=body.size if isinstance(body, Artifact) else len(body),
    )
    if isinstance(body, Artifact):
        shown.artifact = body
        return shown
    text = decoded(response, body)
    if text is None:
        with ctx.artifacts.writer(name_of(response)) as writer:
            writer.write(body)
        shown.artifact = writer.artifact
        return shown
    shown.text = text
    if body and (parse == "json" or (parse == "auto" and is_json(response))):
        try:
            shown.json = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TaskFailed(
                f"`{response.url.host}` answered with JSON that cannot be read: {error}",
                output=shown,
                hint="`parse: text` takes it as text",
            ) from None
        shown.text = None
    return shown


def _headers(response: httpx.Response) -> dict[str, str | SecretStr]:
    secret = {"set-cookie", "authorization"}
    return {name: SecretStr(text) if name in secret else text for name, text in response.headers.items()}


def secret_answer(answer: Answer) -> Answer:
    """Return `answer` with its body as a secret."""
    if answer.json is not None:
        answer.json = Secret(answer.json)
    if isinstance(answer.text, str):
        answer.text = SecretStr(answer.text)
    return answer


def is_json(response: httpx.Response) -> bool:
    """Say whether the server calls its body JSON."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return bool(kind == "application/json" or kind.endswith("+json"))


def decoded(response: httpx.Response, body: bytes) -> str | None:
    """Return the body as text, in the encoding that the server names or UTF-8; None where it is no such text."""
    for encoding in (response.charset_encoding or "utf-8", "utf-8"):
        try:
            text = body.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        return None if "\0" in text else text
    return None


def content_length(response: httpx.Response) -> int | None:
    """Return how many bytes the server says will come, or None."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and "Content-Encoding" not in response.headers else None


def name_of(response: httpx.Response) -> str:
    """Return a name for what came from an address."""
    return name_of_path(response.url.path)


def name_of_path(path: str) -> str:
    """Return the last part of a path as a name, in harmless characters."""
    last = path.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).strip("._")[:100] or "body"
