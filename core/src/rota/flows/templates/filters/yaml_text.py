"""YAML to and from plain data, within the budget: YAML 1.2, no tags, aliases counted as what they stand for."""

from __future__ import annotations

from typing import Any

from rota.errors import ExpressionError
from rota.flows.scalars import tag_of, value_of
from rota.flows.templates.budget import MAX_DEPTH, MAX_RANGE, Evaluation, current, over
from rota.flows.templates.data import measure, scalar_text

_MAX_YAML = 1024 * 1024


def from_yaml(text: str) -> Any:
    """Return what a YAML text says. Raises ExpressionError for wrong syntax, and for one that explodes."""
    import yaml
    from yaml.cyaml import CSafeLoader

    if len(text) > _MAX_YAML:
        raise over(f"reads a YAML text of more than {_MAX_YAML:,} characters")
    builder = _Builder(current())
    try:
        for event in yaml.parse(text, Loader=CSafeLoader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise ExpressionError(f"the text is no YAML: {str(error)[:200]}") from None
    except ValueError as error:
        raise ExpressionError(f"the text has a bad value: {str(error)[:200]}") from None
    return builder.result


class _Builder:
    """Builds plain data from the parser's events, without recursion."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.result: Any = None
        self._evaluation = evaluation
        self._open: list[tuple[Any, list[Any], str | None]] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Take the next event."""
        kind = type(event).__name__
        self._evaluation.step(4)
        if kind == "ScalarEvent":
            self._add(_scalar(event), event.anchor)
        elif kind == "AliasEvent":
            self._alias(event.anchor)
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            if event.tag is not None:
                raise ExpressionError(f"the YAML text has the tag `{event.tag[:40]}`: tags are not read")
            if len(self._open) >= MAX_DEPTH:
                raise over(f"reads YAML nested deeper than {MAX_DEPTH}")
            self._open.append(([] if kind.startswith("S") else {}, [], event.anchor))
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            self._close()
        elif kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                raise ExpressionError("the YAML text has more than one document")

    def _add(self, value: Any, anchor: str | None, count: int = 1) -> None:
        self._count += count
        if self._count > MAX_RANGE:
            raise over(f"reads YAML of more than {MAX_RANGE:,} values")
        if anchor:
            self._anchors[anchor] = (value, count)
        if self._open:
            self._open[-1][1].append(value)
        else:
            self.result = value

    def _alias(self, anchor: str) -> None:
        if anchor not in self._anchors:
            raise ExpressionError(f"the YAML text has an unknown alias `{anchor[:40]}`")
        value, _ = self._anchors[anchor]
        self._add(value, None, measure(self._evaluation, value)[0])

    def _close(self) -> None:
        container, items, anchor = self._open.pop()
        if isinstance(container, list):
            container.extend(items)
        else:
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, (dict, list)):
                    raise ExpressionError("the YAML text has a key that is a list or mapping")
                if key in container:
                    raise ExpressionError(f"the YAML text has the key `{str(key)[:40]}` twice")
                container[key] = value
        self._add(container, anchor)


def _scalar(event: Any) -> Any:
    if event.tag is not None and event.tag != "!":
        return value_of(event.tag, event.value)
    return value_of(tag_of(event.value), event.value) if event.implicit[0] and event.tag is None else event.value


def to_yaml(value: Any, *, nice: bool, indent: int = 2, width: int = 120, sort_keys: bool = False) -> str:
    """Return plain data as YAML; `nice` puts every value on a line of its own."""
    import yaml
    from yaml.cyaml import CSafeDumper

    evaluation = current()
    if measure(evaluation, value)[0] > MAX_RANGE:
        raise over(f"writes YAML of more than {MAX_RANGE:,} values")
    if not 1 <= indent <= 9 or not 20 <= width <= 10_000:
        raise ExpressionError("`indent` must be from 1 to 9, `width` from 20 to 10,000")

    class Dumper(CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_data(self, data: Any) -> Any:
            evaluation.step(8)
            plain = isinstance(data, (str, int, float, dict, list)) or data is None
            return super().represent_data(data if plain else scalar_text(data))

    style = False if nice else None
    text = yaml.dump(
        value,
        Dumper=Dumper,
        default_flow_style=style,
        indent=indent,
        width=width,
        sort_keys=sort_keys,
        allow_unicode=True,
    )
    # A lone scalar gets an end-of-document mark, which nobody who embeds it wants.
    return str(text).removesuffix("...\n")
