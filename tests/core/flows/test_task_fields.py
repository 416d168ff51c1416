"""What the marks on a task type's fields do to what a flow writes there."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from rota import Context, Evaluated, Expression, Raw, Shell, Task
from rota.flows.task_fields import compile_field, field_rules, typed_values


class Marked(Task):
    raw: Annotated[str, Raw()] = ""
    optional_raw: Annotated[str, Raw()] | None = None
    shell_: Annotated[str | list[str], Shell()] = Field(default="", alias="shell")
    condition: Annotated[Evaluated | None, Expression()] = None
    password: SecretStr | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    anything: Any = None
    body: dict[str, Any] = Field(default_factory=dict)
    plain: str = ""
    words: list[str] = Field(default_factory=list)

    def run(self, ctx: Context) -> None: ...


def test_marks_are_found_wherever_they_stand_and_by_the_name_that_a_flow_writes() -> None:
    rules = field_rules(Marked)
    assert rules.raw == {"raw", "optional_raw"}
    assert rules.shell == {"shell"}
    assert rules.expressions == {"condition"}
    assert rules.secret == {"password", "headers", "anything", "body"}


def test_a_raw_field_is_never_rendered() -> None:
    value = compile_field(Marked, "raw", "{{ vars.x }}")
    assert value.is_literal
    assert value.render({}) == "{{ vars.x }}"
    assert compile_field(Marked, "plain", "{{ vars.x }}").render({"vars": {"x": 1}}) == 1


@pytest.mark.parametrize(
    ("written", "source", "value"),
    [
        ("vars.x == 1", "vars.x == 1", True),
        ("{{ vars.x }}", "{{ vars.x }}", 1),
        (" {{ vars.x + 1 }} ", " {{ vars.x + 1 }} ", " 2 "),
        (True, "true", True),
    ],
)
def test_an_expression_arrives_with_its_source_braces_or_not(written: Any, source: str, value: Any) -> None:
    found = compile_field(Marked, "condition", written).render({"vars": {"x": 1}})
    assert found == {"source": source, "value": value}
    assert Marked.model_validate({"condition": found}).condition == Evaluated(source=source, value=value)


def test_a_secret_is_unwrapped_only_where_its_type_has_no_place_for_it() -> None:
    secret = SecretStr("s")
    given = {
        "plain": secret,
        "words": ["a", secret],
        "password": secret,
        "headers": {"x": secret},
        "anything": [secret],
        "body": {"x": secret},
    }
    task = Marked.model_validate(typed_values(Marked, given))
    assert (task.plain, task.words) == ("s", ["a", "s"])
    assert (task.password, task.headers) == (secret, {"x": secret})
    assert (task.anything, task.body) == ([secret], {"x": secret})


def test_the_schema_of_an_expression_is_what_a_flow_writes() -> None:
    class Holder(BaseModel):
        condition: Evaluated

    assert Holder.model_json_schema()["$defs"]["Evaluated"] == {"type": ["string", "boolean"]}
