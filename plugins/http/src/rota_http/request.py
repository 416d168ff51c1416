"""Task type `http.request`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from rota import Artifact, Context, Duration, Task, TaskFailed
from rota_http.answer import Answer, answer_of, receive, secret_answer
from rota_http.body import BodyFields, content_of
from rota_http.pages import Collected, Pages
from rota_http.sending_again import SendAgain

if TYPE_CHECKING:
    import httpx

    from rota_http.session import Session

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Statuses = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^([1-5]xx|[1-5]\d\d|[1-5]\d\d-[1-5]\d\d)$")]


class Request(BodyFields, Task):
    """Send a request and take the answer as values, text or a file.

    A status that is not allowed fails the task: for good where the request itself is wrong (400, 401, 403, 404, …),
    else for the flow's `retry` to try again; the answer is kept as partial output. A body that is longer than
    `inline_limit`, or no text, becomes an artifact, in constant memory.

    Example:
        - id: clusters
          type: http.request
          url: https://cmdb.bank.internal/clusters
          params: {env: prod, limit: 100}
          token: "{{ secret('cmdb#token') }}"
          pages: {cursor: next, parameter: cursor, items: items}
        - id: ticket
          type: http.request
          method: POST
          url: https://tickets.bank.internal/api/issues
          user: rota
          password: "{{ secret('tickets#password') }}"
          json: {title: "a backup failed", cluster: db-17}
          idempotency_header: Idempotency-Key
          allowed_statuses: [201, 409]
    """

    method: str = Field(default="GET", pattern=r"^[A-Z]+$")
    """The method, in capitals."""
    allowed_statuses: list[Statuses] = Field(default=["2xx"], min_length=1)
    """The statuses that are a success: `404`, `2xx`, `200-204`."""
    send_again: SendAgain = SendAgain()
    """When to send again within one attempt of the task."""
    idempotency_header: str | None = Field(default=None, min_length=1)
    """The header that gets a key that is the same in every attempt, so that the server does a thing once; with it
    the request may be sent again after a crash, whatever its method."""
    pages: Pages | None = None
    """Read all pages of an answer: `json` holds their items, or `artifact`, as JSON Lines, where they are many."""
    parse: Literal["auto", "json", "text"] = "auto"
    """Whether to read the body as JSON: where the server calls it so (`auto`), always, or never."""
    answer: Literal["auto", "artifact"] = "auto"
    """`artifact` stores every body as a file."""
    inline_limit: int = Field(default=1 << 20, ge=0, le=16 << 20)
    """The longest body, in bytes, that is no artifact."""
    hide_answer: bool = False
    """Treat values and text of the body as a secret: stored encrypted, shown as `***`."""
    total_timeout: Duration | None = timedelta(minutes=10)
    """How long one exchange may take from its start to the last byte."""

    @field_validator("method", mode="before")
    @classmethod
    def _in_capitals(cls, method: Any) -> Any:
        return method.upper() if isinstance(method, str) else method

    @model_validator(mode="after")
    def _fits_together(self) -> Request:
        if self.pages is not None and (self.parse == "text" or self.answer == "artifact"):
            raise ValueError("`pages` reads JSON: leave `parse` and `answer` out")
        if self.pages is not None and self.pages.field and not isinstance(self.json_body, dict):
            raise ValueError("`pages.field` needs a mapping in `json`")
        return self

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """A GET may be sent again, a POST may not, unless the server knows it by a key."""
        return self.method in _SAFE or self.idempotency_header is not None

    def plan(self, ctx: Context) -> object:
        url = self.url if isinstance(self.url, str) else "***"
        return {"method": self.method, "url": url.partition("?")[0]}

    def run(self, ctx: Context) -> Answer:
        from rota_http.session import session

        with session(ctx, self) as http, ExitStack() as held:
            answer = self._pages(ctx, http, held) if self.pages else self._single(ctx, http, held)
        return secret_answer(answer) if self.hide_answer else answer

    def _single(self, ctx: Context, http: Session, held: ExitStack) -> Answer:
        return self._exchange(ctx, http, self._request(ctx, http, held, self.json_body))[1]

    def _request(
        self, ctx: Context, http: Session, held: ExitStack, json_value: Any, url: str | None = None
    ) -> httpx.Request:
        content, headers = content_of(ctx, self, held, json_value)
        if self.idempotency_header:
            headers[self.idempotency_header] = ctx.idempotency_key
        return http.request(self.method, url=url, headers=headers, **content)

    def _exchange(self, ctx: Context, http: Session, request: httpx.Request) -> tuple[httpx.Response, Answer]:
        """Send a request, again where the server wants it later; return the answer. Raises TaskFailed."""
        done = 0
        while True:
            with http.open(request) as response:
                pause = self.send_again.pause(response, done)
                if pause is None:
                    return response, self._answer(ctx, response)
                status = response.status_code
            done += 1
            ctx.log.info(f"`{request.url.host}` answered {status}: sending again in {pause:g} s")
            http.wait(pause)

    def _answer(self, ctx: Context, response: httpx.Response) -> Answer:
        from rota_http.failures import refused

        allowed = self._allows(response.status_code)
        always = allowed and self.answer == "artifact" and self.method != "HEAD"
        body = receive(ctx, response, None if always else self.inline_limit)
        answer = answer_of(ctx, response, body, self.parse if allowed else "text")
        if allowed:
            return answer
        words = answer.text if isinstance(answer.text, str) and not self.hide_answer else ""
        raise refused(response, self.url, words, secret_answer(answer) if self.hide_answer else answer)

    def _allows(self, status: int) -> bool:
        for text in self.allowed_statuses:
            low, _, high = text.replace("xx", "00").partition("-")
            end = int(high or low) + (99 if text.endswith("xx") else 0)
            if int(low) <= status <= end:
                return True
        return False

    def _pages(self, ctx: Context, http: Session, held: ExitStack) -> Answer:
        with Collected(ctx, self.inline_limit, "items") as collected:
            for number, (_, answer, page) in enumerate(self._each_page(ctx, http, held), start=1):
                assert self.pages is not None
                collected.add(self.pages.items_of(page), answer.size)
                ctx.progress(number)
            found = collected.result()
        answer.pages, answer.size = number, collected.size
        answer.text, answer.json = None, None
        if isinstance(found, Artifact):
            answer.artifact = found
        else:
            answer.json = found
        return answer

    def _each_page(self, ctx: Context, http: Session, held: ExitStack) -> Iterator[tuple[httpx.Response, Answer, Any]]:
        assert self.pages is not None
        request = self._request(ctx, http, held, self.json_body)
        seen: set[str] = set()
        for _ in range(self.pages.max_pages):
            response, answer = self._exchange(ctx, http, request)
            page = _values(answer, response)
            yield response, answer, page
            following = self.pages.following(response, page)
            if following is None:
                return
            if (mark := repr(following)) in seen:
                raise TaskFailed("the pages go round in a circle: the same cursor came twice", retryable=False)
            seen.add(mark)
            request = self._next(ctx, http, held, following, response)
        raise TaskFailed(
            f"there are more than {self.pages.max_pages} pages", retryable=False, hint="raise `pages.max_pages`"
        )

    def _next(
        self, ctx: Context, http: Session, held: ExitStack, following: Any, response: httpx.Response
    ) -> httpx.Request:
        """Return the request for the next page. Raises TaskFailed where it would go to another server."""
        from rota_http.failures import origin
        from rota_http.session import same_origin

        assert self.pages is not None
        if self.pages.field:
            return self._request(ctx, http, held, {**self.json_body, self.pages.field: following})
        first = self._request(ctx, http, held, self.json_body)
        if self.pages.parameter:
            target = first.url.copy_set_param(self.pages.parameter, following)
        else:
            target = response.url.join(str(following))
            if not same_origin(first.url, target):
                raise TaskFailed(
                    f"the next page is on another server, `{origin(target)}`, which is not asked", retryable=False
                )
        return self._request(ctx, http, held, self.json_body, str(target))


def _values(answer: Answer, response: httpx.Response) -> Any:
    """Return what is in a page. Raises TaskFailed where it is no JSON."""
    if answer.artifact is not None or isinstance(answer.text, str):
        raise TaskFailed(
            f"a page of `{response.url.host}` is no JSON, or longer than `inline_limit`",
            retryable=False,
            hint="`parse: json` reads it where the server does not call it so",
        )
    return answer.json
