"""`check_extension`: what every extension must keep."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from rota import AlertSink, Context, Event, Service, Task, Trigger
from rota.extensions import Extension
from rota.plugins import Plugins
from rota.registration import KINDS
from rota.testing import check_extension
from rota.testing.contract import problems_of

CORE = "assert env file log output python set shell webhook".split()


class Answer(BaseModel, use_attribute_docstrings=True):
    """An answer."""

    address: str
    """Who."""


class Good(Task):
    """Do something.

    Example:
        - id: it
          type: demo.good
          host: "{{ vars.host }}"
          port: 5432
          retry: {attempts: 3}
    """

    host: str
    """Where."""
    port: int = Field(ge=1)
    """Which."""
    password: SecretStr | None = None
    """The password."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        return self.port > 1

    def run(self, ctx: Context) -> Answer:
        raise NotImplementedError


def test_a_good_extension_passes() -> None:
    check_extension(Good)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in KINDS
        for name in Plugins().type_names(kind)
        if "." not in name or name.startswith("kv.")
    ],
)
def test_everything_of_the_core_passes(kind: str, name: str) -> None:
    plugins = Plugins()
    found: dict[str, Callable[[str], type[Extension]]] = {
        "task type": plugins.task_type,
        "secret backend": plugins.secret_backend,
        "alert sink": plugins.alert_sink,
    }
    check_extension(found[kind](name))


def changed(**namespace: Any) -> type[Task]:
    """Return a task type like `Good`, with something changed."""
    doc = namespace.pop("doc", Good.__doc__)
    annotations = namespace.pop("annotations", {})
    return type("Good", (Good,), {"__doc__": doc, "__annotations__": annotations, "__module__": __name__, **namespace})


def run_without_annotation(self: Task, ctx: Context):  # type: ignore[no-untyped-def]
    """Run."""


def run_with_strange_output(self: Task, ctx: Context) -> threading.Lock:
    raise NotImplementedError


class Undocumented(BaseModel):
    address: str


def run_with_undocumented_output(self: Task, ctx: Context) -> list[Undocumented]:
    raise NotImplementedError


EXAMPLE = "Do.\n\nExample:\n    - id: it\n      type: demo.good\n      host: x\n"
BAD = {
    "it has no docstring": changed(doc=None),
    "its docstring has no `Example:`": changed(doc="Do it."),
    "its example is not YAML": changed(doc="Do.\n\nExample:\n    - {a"),
    "its example has no `type: …good`": changed(doc="Do.\n\nExample:\n    - {id: x, type: demo.other}"),
    "its example does not validate: `port`: Field required": changed(doc=EXAMPLE),
    "its example does not validate: `prot`": changed(doc=f"{EXAMPLE}      port: 1\n      prot: 2\n"),
    "its example has a wrong expression": changed(doc=f'{EXAMPLE}      port: "{{{{ 1 + }}}}"\n'),
    "its example has a secret in it: `password`": changed(doc=f"{EXAMPLE}      port: 1\n      password: abc\n"),
    "the field `extra` is not documented": changed(annotations={"extra": int}, extra=3),
    "the field `timeout` is a key of the language": changed(annotations={"timeout": int}, timeout=3),
    "the field `api_token` would show a secret in `repr`": changed(annotations={"api_token": str}, api_token=""),
    "`idempotent` is neither a boolean nor a property but str": changed(idempotent="yes"),
    "`idempotent` of its example is no boolean": changed(
        doc=f"{EXAMPLE}      port: 1\n", idempotent=property(lambda _: 1)
    ),
    "`run` has no return annotation": changed(run=run_without_annotation),
    "its output has no JSON Schema": changed(run=run_with_strange_output),
    "the field `Undocumented.address` is not documented": changed(run=run_with_undocumented_output),
    "it takes unknown fields": changed(model_config={"extra": "ignore"}),
    "it can be changed": changed(model_config={"frozen": False}),
}


@pytest.mark.parametrize("problem", BAD)
def test_a_broken_promise_is_told(problem: str) -> None:
    with pytest.raises(AssertionError) as failed:
        check_extension(BAD[problem])
    assert f"- {problem}" in str(failed.value)


def test_every_problem_is_told_at_once() -> None:
    cls = changed(doc=None, annotations={"when": int}, when=1, idempotent=3)
    assert len(list(problems_of(cls))) >= 5


def test_an_unfinished_class_is_told_so() -> None:
    class Unfinished(Task):
        """Nothing yet."""

    assert list(problems_of(Unfinished)) == ["it does not define `run`"]
    assert list(problems_of(BaseModel)) == ["it extends none of the classes that `rota` offers"]  # type: ignore[arg-type]


class Chat(AlertSink):
    """Tell a chat.

    Example:
        - {id: ops, type: demo.chat, room: ops}
    """

    room: str
    """Which room."""

    def send(self, alert: Any, ctx: Context) -> None: ...


class Inbox(Trigger):
    """Start on mail.

    Example:
        - id: mail
          type: demo.inbox
          interval: 30s
          folder: INBOX
    """

    folder: str
    """Which folder."""

    def poll(self, ctx: Context) -> Iterable[Event]:
        return []


class Page(Service):
    """Show a page.

    Example:
        web:
          port: 8080
    """

    port: int
    """The port."""

    def serve(self, app: Any, stop: threading.Event) -> None: ...


@pytest.mark.parametrize("cls", [Chat, Inbox, Page])
def test_the_other_kinds_have_the_same_contract(cls: Any) -> None:
    check_extension(cls)
