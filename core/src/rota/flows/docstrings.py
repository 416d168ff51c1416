"""The docstrings below the fields of a model, read from its source when somebody asks for them.

Pydantic can read them as it makes the class (`use_attribute_docstrings`), which costs every start of Rota the
parsing of every module that has models; they are wanted for docs and schemas alone.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

_DOCUMENTED: set[type[BaseModel]] = set()


def documented(cls: type[M]) -> type[M]:
    """Return `cls` with the description of each field, and of the models in its fields, filled from its docstring."""
    todo: list[type[BaseModel]] = [cls]
    changed: list[type[BaseModel]] = []
    while todo:
        model = todo.pop()
        if model in _DOCUMENTED:
            continue
        _DOCUMENTED.add(model)
        changed.append(model)
        _fill(model)
        todo += _inner_models(model)
    for model in changed:
        if model.__pydantic_complete__:
            model.model_rebuild(force=True)
    return cls


def _fill(model: type[BaseModel]) -> None:
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            for name, text in _docstrings(base).items():
                if name in model.model_fields and name in inspect.get_annotations(base):
                    model.model_fields[name].description = text


def _docstrings(cls: type[BaseModel]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return {}  # a class without a source, made by a program
    body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(text.value.value)
    return found


def _inner_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    todo: list[Any] = [info.annotation for info in model.model_fields.values()]
    while todo:
        part = todo.pop()
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield part
        todo.extend(getattr(part, "__args__", ()))
        todo.extend([part.__origin__] if hasattr(part, "__metadata__") else [])
