"""What an extension says about itself, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from rota import Artifact, Context, Duration, Evaluated, Expression, ProcessResult, Raw, Task
from rota.flows.describe import UNKNOWN, describe, is_open, output_schema, output_type
from rota.flows.type_text import type_text
from rota.plugins import Plugins
from rota.registration import KINDS


class Limits(BaseModel):
    """Limits."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    rows: int = 10
    """How many rows."""


class Report(BaseModel):
    """A report."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    size: int
    """How large it is,
    in bytes."""


class Write(Task):
    """Write a report on something
    or other.

    It is longer than that.

    Example:
        - id: x
          type: demo.write
          to: a
    """  # noqa: D205 - the first sentence goes over two lines on purpose

    idempotent = True

    wait: Duration = timedelta(minutes=90)
    """How long to wait."""
    to: str
    """Where to."""
    password: SecretStr = SecretStr("hunter2")
    """The password."""
    limits: Limits = Limits()
    """Limits."""
    template: Annotated[str | None, Raw()] = None
    """A template."""
    checks: Annotated[list[Evaluated], Expression()] = Field(default_factory=list)
    """Checks."""

    def run(self, ctx: Context) -> Report:
        raise NotImplementedError


def test_a_task_type_is_described_by_its_docstrings_and_annotations() -> None:
    info = describe(Write, "demo.write")
    assert info.summary == "Write a report on something or other."
    assert info.description == "It is longer than that."
    assert info.example == "- id: x\n  type: demo.write\n  to: a"
    assert (info.name, info.kind, info.idempotent) == ("demo.write", "task type", "yes")
    assert (info.output_type, info.open_output) == ("mapping", False)
    assert [(field.name, field.type, field.doc) for field in info.output] == [
        ("size", "integer", "How large it is, in bytes.")
    ]


def test_required_fields_come_first_and_defaults_are_yaml() -> None:
    fields = describe(Write, "demo.write").fields
    assert [(field.name, field.required, field.default) for field in fields] == [
        ("to", True, ""),
        ("wait", False, "1h30m"),
        ("password", False, "***"),
        ("limits", False, "{rows: 10}"),
        ("template", False, "null"),
        ("checks", False, "[]"),
    ]


def test_how_a_text_is_read_is_noted_and_mappings_have_fields() -> None:
    fields = {field.name: field for field in describe(Write, "demo.write").fields}
    assert fields["template"].note == "raw: never rendered"
    assert fields["checks"].note == "expression: braces optional"
    assert [inner.name for inner in fields["limits"].fields] == ["rows"]
    assert fields["checks"].fields == ()


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "text"),
        (str | None, "text"),
        (int | float | str, "integer, number or text"),
        (list[str], "list of text"),
        (list[int | str], "list of integer or text"),
        (Sequence[Path], "list of path"),
        (tuple[str, ...], "list of text"),
        (dict[str, Any], "mapping"),
        (dict[str, list[int]], "mapping of list of integer"),
        (Mapping[str, SecretStr], "mapping of secret"),
        (Literal["a"], "`a`"),
        (Literal["a", "b", "c"], "`a`, `b` or `c`"),
        (Duration, "duration"),
        (datetime, "date and time"),
        (Annotated[int, Field(ge=1)], "integer"),
        (Artifact, "artifact"),
        (Limits, "mapping"),
        (None, "nothing"),
        (Any, "anything"),
    ],
)
def test_types_are_told_in_the_words_of_yaml(annotation: Any, text: str) -> None:
    assert type_text(annotation) == text


def test_limits_of_a_field_are_told() -> None:
    info = BaseModelWithLimits.model_fields["port"]
    assert type_text(info.annotation, info.metadata) == "integer, at least 1, less than 65536"
    info = BaseModelWithLimits.model_fields["wait"]
    assert type_text(info.annotation, info.metadata) == "duration, more than 0s, at most 1h30m"


class BaseModelWithLimits(BaseModel):
    port: int = Field(ge=1, lt=65536)
    wait: Duration = Field(timedelta(seconds=1), gt=timedelta(0), le=timedelta(minutes=90))


def outputs(annotation: Any) -> type[Task]:
    def run(self: Task, ctx: Context) -> Any: ...

    run.__annotations__["return"] = annotation
    return type("Some", (Task,), {"run": run, "__module__": __name__})


@pytest.mark.parametrize(
    ("annotation", "opened"),
    [
        (Report, False),
        (Report | None, False),
        (dict[str, Any], True),
        (list[Report], True),
        (Any, True),
        (None, False),
        (int, False),
        (ProcessResult, False),
    ],
)
def test_an_output_is_open_when_its_type_does_not_tell_its_names(annotation: Any, opened: bool) -> None:
    assert is_open(output_type(outputs(annotation))) is opened


def test_an_annotation_that_does_not_resolve_is_unknown() -> None:
    cls = outputs("NotThere")
    assert output_type(cls) is UNKNOWN
    assert output_schema(cls) == {}
    assert describe(cls, "x").output_type == "unknown"


def test_a_dataclass_has_output_fields_too() -> None:
    names = [field.name for field in describe(outputs(ProcessResult), "x").output]
    assert names == ["exit_code", "stdout", "stderr", "truncated"]


def test_idempotence_may_depend_on_the_fields() -> None:
    cls = type("Some", (outputs(None),), {"idempotent": property(lambda _: True), "__module__": __name__})
    assert describe(cls, "x").idempotent == "depends"


def test_everything_of_the_core_can_be_described() -> None:
    plugins = Plugins()
    lookups = {
        "task type": plugins.task_type,
        "secret backend": plugins.secret_backend,
        "alert sink": plugins.alert_sink,
    }
    for kind in KINDS.keys() & lookups.keys():
        for name in plugins.type_names(kind):
            if "." not in name or name.startswith("kv."):
                info = describe(lookups[kind](name), name, kind)
                assert info.summary, name
                assert info.example, name
                assert all(field.doc for field in (*info.fields, *info.output)), name
