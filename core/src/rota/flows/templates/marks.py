"""What marks a value: as raw, so that it is never rendered, and as secret, so that it is never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Secret, SecretStr


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value tagged `!raw` in YAML: it is never rendered. `value` is plain YAML data."""

    value: Any


def unraw(value: Any) -> Any:
    """Return `value` with every `RawValue` in it replaced by what it holds."""
    if isinstance(value, RawValue):
        return unraw(value.value)
    if isinstance(value, dict):
        return {key: unraw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unraw(item) for item in value]
    return value


def conceal(value: Any) -> SecretStr | Secret[Any]:
    """Return `value` wrapped so that it is not shown: text as `SecretStr`, all else as `pydantic.Secret`."""
    return SecretStr(value) if isinstance(value, str) else Secret(value)


def is_secret(value: Any) -> bool:
    """Say whether `value` itself is wrapped as a secret."""
    return isinstance(value, (SecretStr, Secret))


def reveal(tree: Any) -> Any:
    """Return `tree` with every secret in it replaced by its value; what holds none is returned as it is."""
    if isinstance(tree, (SecretStr, Secret)):
        return reveal(tree.get_secret_value())
    if isinstance(tree, Mapping):
        shown = {key: reveal(item) for key, item in tree.items()}
        return tree if all(shown[key] is tree[key] for key in shown) else shown
    if isinstance(tree, (list, tuple)):
        items = [reveal(item) for item in tree]
        return tree if all(new is old for new, old in zip(items, tree, strict=True)) else items
    return tree


def secret_values(tree: Any) -> Iterator[Any]:
    """Yield the value of every secret in `tree`, unwrapped: what a log must not show."""
    if isinstance(tree, (SecretStr, Secret)):
        yield reveal(tree)
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from secret_values(item)
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from secret_values(item)
