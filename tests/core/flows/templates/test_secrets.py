"""The result of an expression that used a secret is secret, and nothing tells it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Secret, SecretStr

from rota.errors import ExpressionError
from rota.flows.templates import compile_expression, compile_value, is_secret, reveal, secret_values

NAMES: dict[str, Any] = {
    "secret": lambda _name: SecretStr("hunter2"),
    "inputs": {"password": SecretStr("pa55word"), "user": "bob", "pin": Secret(1234), "db": {"key": SecretStr("k3y!")}},
    "rows": [{"name": "a", "token": SecretStr("t0ken")}],
}
SOURCES = [
    ("{{ secret('a#b') }}", "hunter2"),
    ("{{ inputs.password }}", "pa55word"),
    ("{{ inputs.pin }}", 1234),
    ("{{ inputs.pin + 1 }}", 1235),
    ("u:{{ inputs.user }}:{{ inputs.password }}", "u:bob:pa55word"),
    ("{{ secret('a#b') | upper }}", "HUNTER2"),
    ("{{ secret('a#b') | length }}", 7),
    ("{{ secret('a#b')[0] }}", "h"),
    ("{{ secret('a#b') == 'x' }}", False),
    ("{{ 'x' if secret('a#b') else 'y' }}", "x"),
    ("{{ {'a': secret('a#b'), 'b': [inputs.user]} }}", {"a": "hunter2", "b": ["bob"]}),
    ("{{ inputs.db | to_json }}", '{"key": "k3y!"}'),
    ("{{ inputs.db }} ", '{"key": "k3y!"} '),
    ("{{ rows | map(attribute='token') | first }}", "t0ken"),
    ("{{ rows | selectattr('token', 'eq', 't0ken') | map(attribute='name') | join }}", "a"),
    ("{{ [inputs.password] == ['pa55word'] }}", True),
    ("{{ inputs.db.key in 'a k3y!' }}", True),
    ("{{ ['a', inputs.db.key] | join(',') }}", "a,k3y!"),
    ("{{ '%s' % inputs.password }}", "pa55word"),
    ("{{ '{}'.format(inputs.password) }}", "pa55word"),
    ("{{ inputs.db | dict2items | map(attribute='value') | list }}", ["k3y!"]),
    ("{{ rows | json_query('[].token') }}", ["t0ken"]),
    ("{{ inputs.nope | default(inputs.password) }}", "pa55word"),
]


@pytest.mark.parametrize(("source", "value"), SOURCES)
def test_a_result_that_used_a_secret_is_secret(source: str, value: Any) -> None:
    rendered = compile_value(source).render(NAMES)

    assert is_secret(rendered)
    assert isinstance(rendered, SecretStr) is isinstance(value, str)
    assert reveal(rendered) == value
    for known in ("hunter2", "pa55word", "1234", "k3y!", "t0ken"):
        assert known not in repr(rendered)
        assert known not in str(rendered)


@pytest.mark.parametrize("source", ["{{ inputs.user }}", "{{ rows | map(attribute='name') | list }}", "{{ 1 }}"])
def test_a_result_that_used_none_is_not(source: str) -> None:
    assert not is_secret(compile_value(source).render(NAMES))


def test_a_taint_does_not_stay_for_the_next_expression() -> None:
    tree = compile_value({"a": "{{ secret('a') }}", "b": "{{ inputs.user }}", "c": "{{ inputs.user ~ 1 }}"}).render(
        NAMES
    )

    assert [is_secret(tree[key]) for key in "abc"] == [True, False, False]
    assert reveal(tree) == {"a": "hunter2", "b": "bob", "c": "bob1"}
    assert list(secret_values(tree)) == ["hunter2"]


def test_secrets_inside_of_a_value_that_is_only_handed_on_stay_wrapped() -> None:
    rendered = compile_value("{{ [inputs.db, 1] }}").render(NAMES)

    assert rendered == [{"key": SecretStr("k3y!")}, 1]
    assert compile_value("{{ inputs.db }}").render(NAMES) == {"key": SecretStr("k3y!")}
    assert list(secret_values(rendered)) == ["k3y!"]


def test_a_text_that_a_secret_function_gives_is_secret_too() -> None:
    rendered = compile_value("{{ secret('a') ~ '!' }}").render({"secret": lambda _name: "plain"})

    assert reveal(rendered) == "plain!"
    assert is_secret(rendered)


@pytest.mark.parametrize(
    "source",
    [
        "{{ secret('a') | int }}",
        "{{ secret('a') + 1 }}",
        "{{ secret('a') | duration }}",
        "{{ secret('a') | from_json }}",
        "{{ secret('a') | to_datetime }}",
        "{{ secret('a') | regex_search(secret('a') ~ '(') }}",
        "{{ secret('a') | mandatory | human_to_bytes }}",
        "{{ {}[secret('a')] }}",
        "{{ '' | mandatory(secret('a')) | hash(secret('a')) }}",
        "{{ nope | mandatory(secret('a')) }}",
        "{{ 'a' | in_timezone(secret('a')) }}",
    ],
)
def test_an_error_does_not_tell_the_secret(source: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_value(source).render(NAMES)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_secret_may_not_steer_a_flow() -> None:
    with pytest.raises(ExpressionError, match="may not steer"):
        compile_expression("secret('a') == 'b'").condition(NAMES)


def test_a_function_that_fails_does_not_tell_what_it_was_asked() -> None:
    def secret(name: str) -> str:
        raise ValueError("hunter2")

    with pytest.raises(ExpressionError) as caught:
        compile_value("{{ secret('a') }}").render({"secret": secret})
    assert "hunter2" not in str(caught.value)
