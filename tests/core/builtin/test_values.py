"""Task types `log`, `output`, `set`, `assert`, `kv.*`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import Secret, SecretStr, ValidationError

from rota import Evaluated, Task, TaskFailed
from rota.builtin.assertions import Assert
from rota.builtin.json_text import json_text
from rota.builtin.keyvalue import KvDelete, KvGet, KvSet
from rota.builtin.messages import Log
from rota.builtin.variables import Output, Set
from rota.flows.task_fields import compile_field
from rota.testing import RecordedContext


def test_log_writes_a_line_for_each_line_at_its_level(ctx: RecordedContext) -> None:
    Log(message="a\nb", level="warning").run(ctx)
    assert [(line.level, line.message) for line in ctx.log.lines] == [("warning", "a"), ("warning", "b")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", ""),
        ({"a": [1, None]}, '{"a": [1, null]}'),
        (3, "3"),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00Z"'),
    ],
)
def test_log_writes_values_as_json(message: Any, text: str, ctx: RecordedContext) -> None:
    Log(message=message).run(ctx)
    assert ctx.log.text == text


def test_log_never_shows_a_secret(ctx: RecordedContext) -> None:
    Log(message={"key": SecretStr("hunter2"), "pin": Secret(1234)}).run(ctx)
    Log(message=SecretStr("hunter2")).run(ctx)
    assert "hunter2" not in ctx.log.text
    assert "1234" not in ctx.log.text


@pytest.mark.parametrize("cls", [Output, Set])
def test_output_and_set_give_their_values_unchanged(cls: type[Output | Set], ctx: RecordedContext) -> None:
    values = {"a": 1, "b": ["x"], "c": SecretStr("kept wrapped")}
    assert cls(values=values).run(ctx) == values


def conditions(names: dict[str, Any], *sources: Any) -> Assert:
    compiled = compile_field(Assert, "conditions", list(sources))
    return Assert.model_validate({"conditions": compiled.render(names), "message": "not ready"})


def test_assert_passes_when_everything_holds(ctx: RecordedContext) -> None:
    conditions({"vars": {"n": 4}}, "vars.n > 3", "{{ vars.n == 4 }}", "vars.n is defined", True).run(ctx)


def test_assert_names_every_condition_that_does_not_hold(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"^not ready: `vars.n > 4`, `vars.n == 5` does not hold$") as failed:
        conditions({"vars": {"n": 4}}, "vars.n > 4", "vars.n == 4", "vars.n == 5").run(ctx)
    assert failed.value.retryable is None


@pytest.mark.parametrize("value", ["false", "", 0, 1, None, [], {}])
def test_assert_takes_nothing_but_booleans(value: Any, ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"`vars.n` must give true or false") as failed:
        Assert(conditions=[Evaluated(source="vars.n", value=value)]).run(ctx)
    assert failed.value.retryable is False


def test_assert_without_conditions_is_refused() -> None:
    with pytest.raises(ValidationError):
        Assert(conditions=[])


def test_a_key_is_set_read_and_removed(ctx: RecordedContext) -> None:
    KvSet(key="k", value={"at": datetime(2026, 1, 2, tzinfo=UTC)}).run(ctx)
    found = KvGet(key="k").run(ctx)
    assert (found.value, found.found) == ({"at": "2026-01-02T00:00:00Z"}, True)
    assert KvDelete(key="k").run(ctx).deleted is True
    assert KvDelete(key="k").run(ctx).deleted is False
    assert KvGet(key="k", default=7).run(ctx).value == 7


def test_a_stored_null_is_found(ctx: RecordedContext) -> None:
    KvSet(key="k", value=None).run(ctx)
    assert KvGet(key="k", default=7, required=True).run(ctx).found is True


def test_a_required_key_must_be_there(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match="there is no key `k` in namespace `test`"):
        KvGet(key="k", required=True).run(ctx)


def test_a_key_goes_after_its_time(ctx: RecordedContext) -> None:
    KvSet(key="k", value=1, ttl=timedelta(0)).run(ctx)
    KvSet.model_validate({"key": "l", "value": 1, "ttl": "7d"}).run(ctx)
    assert [KvGet(key=key).run(ctx).found for key in ("k", "l")] == [False, True]


@pytest.mark.parametrize("value", [SecretStr("x"), {"a": [SecretStr("x")]}, Secret(3)])
def test_a_secret_is_not_stored_under_a_key(value: Any, ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match="a secret would be stored"):
        KvSet(key="k", value=value).run(ctx)
    assert ctx.kv.keys() == []


def test_what_has_no_json_form_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    for value in (float("nan"), object(), loop):
        with pytest.raises(TaskFailed, match="no JSON form"):
            json_text(value)


@pytest.mark.parametrize("cls", [Log, Output, Set, Assert, KvSet, KvGet, KvDelete])
def test_what_only_moves_values_may_be_run_again(cls: type[Task]) -> None:
    assert cls.idempotent is True
