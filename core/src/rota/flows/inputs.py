"""The inputs of a flow: what each type takes, in YAML, as JSON and as text from a command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rota.context import Artifact
from rota.flows import input_values as values
from rota.flows.durations import Duration, parse_duration
from rota.flows.similar import listed

Length = Annotated[int, Field(ge=0)]
Pattern = Annotated[str, AfterValidator(lambda pattern: values.compiled(pattern) and pattern)]
Choice = Annotated[str | int | float, Field(union_mode="left_to_right")]
Choices = Annotated[list[Choice], Field(min_length=1)]


def is_templated(value: Any) -> bool:
    """Say whether there is an expression in `value`, which must then be rendered first."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(is_templated(item) for item in value.values())
    return isinstance(value, list) and any(is_templated(item) for item in value)


class InputKeys(BaseModel):
    """The keys that every input has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
    """The name of the input, unique in the flow; its value is `inputs.<id>`."""
    type: str
    """What it takes."""
    description: str = ""
    """What it is for, shown to who is asked."""
    default: Any = None
    """The value where none is given; may be an expression. Without one (`null` is one) the input is required."""

    @property
    def has_default(self) -> bool:
        """Whether the input may be left out; `default: null` is a default, too."""
        return "default" in self.model_fields_set

    @property
    def is_templated(self) -> bool:
        """Whether the default holds an expression, rendered when an execution is created."""
        return is_templated(self.default)

    def parse(self, value: Any, timezone: tzinfo = UTC) -> Any:
        """Return the typed value of the JSON value (or typed value) `value`.

        Datetimes without an offset are read in `timezone`. Raises ValueError, whose message goes on
        after the name of the input (`must be …`).
        """
        if value is None and self.has_default and self.default is None:
            return None
        return self._check(self._read(value, timezone))

    def parse_text(self, text: str, timezone: tzinfo = UTC) -> Any:
        """Return the typed value of `text` as a person types it. Raises ValueError as `parse` does."""
        return self._check(self._read_text(text, timezone))

    def dump(self, value: Any) -> Any:
        """Return a typed value as JSON values that `parse` reads back; secrets stay `SecretStr`."""
        return values.dump(value)

    def _read(self, value: Any, timezone: tzinfo) -> Any:
        raise NotImplementedError

    def _read_text(self, text: str, timezone: tzinfo) -> Any:
        return self._read(text, timezone)

    def _check(self, value: Any) -> Any:
        return value

    @model_validator(mode="after")
    def _default_fits(self) -> InputKeys:
        if self.has_default and self.default is not None and not self.is_templated:
            try:
                self.parse(values.plain(self.default))
            except ValueError as error:
                raise PydanticCustomError("value_error", "{text}", {"text": str(error), "key": "default"}) from None
        return self


class Bounded(InputKeys):
    """An input whose values have an order."""

    def _check(self, value: Any) -> Any:
        low, high = getattr(self, "min", None), getattr(self, "max", None)
        if low is not None and value < low:
            raise ValueError(f"must be at least {values.dump(low)}")
        if high is not None and value > high:
            raise ValueError(f"must be at most {values.dump(high)}")
        return value


class TextInput(InputKeys):
    """An input that is text of any kind."""

    min_length: Length = 0
    """At least so many characters."""
    max_length: Length | None = None
    """At most so many characters."""
    pattern: Pattern | None = None
    """A regular expression for the whole text, without look-around and back-references."""

    def _check(self, value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        values.check_count(len(text), self.min_length, self.max_length, "character")
        if self.pattern is not None and not values.matches(self.pattern, text):
            raise ValueError(f"must match `{self.pattern}`")
        return value


class StringInput(TextInput):
    """Text."""

    type: Literal["string"]

    def _read(self, value: Any, timezone: tzinfo) -> str:
        return values.as_text(value)


class SecretInput(TextInput):
    """Text that is stored encrypted and never shown."""

    type: Literal["secret"]

    def _read(self, value: Any, timezone: tzinfo) -> SecretStr:
        return values.as_secret(value)


class IntInput(Bounded):
    """A whole number."""

    type: Literal["int"]
    min: int | None = None
    """The smallest."""
    max: int | None = None
    """The largest."""

    def _read(self, value: Any, timezone: tzinfo) -> int:
        return values.as_int(value)

    def _read_text(self, text: str, timezone: tzinfo) -> int:
        return values.as_int(text, from_text=True)


class FloatInput(Bounded):
    """A number."""

    type: Literal["float"]
    min: float | None = None
    """The smallest."""
    max: float | None = None
    """The largest."""

    def _read(self, value: Any, timezone: tzinfo) -> float:
        return values.as_float(value)

    def _read_text(self, text: str, timezone: tzinfo) -> float:
        return values.as_float(text, from_text=True)


class BoolInput(InputKeys):
    """`true` or `false`."""

    type: Literal["bool"]

    def _read(self, value: Any, timezone: tzinfo) -> bool:
        return values.as_bool(value)

    def _read_text(self, text: str, timezone: tzinfo) -> bool:
        return values.as_bool(text, from_text=True)


class SelectInput(InputKeys):
    """One of some values."""

    type: Literal["select"]
    values: Choices
    """What there is to choose from."""

    def _read(self, value: Any, timezone: tzinfo) -> Any:
        return values.choose(value, self.values)

    def _read_text(self, text: str, timezone: tzinfo) -> Any:
        return values.choose_text(text, self.values)


class MultiselectInput(InputKeys):
    """Some of some values."""

    type: Literal["multiselect"]
    values: Choices
    """What there is to choose from."""
    min_items: Length = 0
    """At least so many."""
    max_items: Length | None = None
    """At most so many."""

    def _read(self, value: Any, timezone: tzinfo) -> list[Any]:
        return [values.choose(item, self.values) for item in values.as_list(value)]

    def _read_text(self, text: str, timezone: tzinfo) -> list[Any]:
        return [values.choose_text(item, self.values) if isinstance(item, str) else values.choose(item, self.values)
                for item in values.split(text)]  # fmt: skip

    def _check(self, value: Any) -> Any:
        values.check_count(len(value), self.min_items, self.max_items, "value")
        if any(item in value[:index] for index, item in enumerate(value)):
            raise ValueError("has a value twice")
        return value


class DateInput(Bounded):
    """A day."""

    type: Literal["date"]
    min: Annotated[date, BeforeValidator(values.as_date)] | None = None
    """The first."""
    max: Annotated[date, BeforeValidator(values.as_date)] | None = None
    """The last."""

    def _read(self, value: Any, timezone: tzinfo) -> date:
        return values.as_date(value)


class DatetimeInput(Bounded):
    """A date and time, with an offset or else in the flow's timezone."""

    type: Literal["datetime"]
    min: Annotated[datetime, BeforeValidator(values.as_datetime)] | None = None
    """The first."""
    max: Annotated[datetime, BeforeValidator(values.as_datetime)] | None = None
    """The last."""

    def _read(self, value: Any, timezone: tzinfo) -> datetime:
        return values.as_datetime(value, timezone)


class TimeInput(InputKeys):
    """A time of day."""

    type: Literal["time"]

    def _read(self, value: Any, timezone: tzinfo) -> time:
        return values.as_time(value)


class DurationInput(Bounded):
    """A length of time: `1h30m`, ISO 8601, or a number of seconds."""

    type: Literal["duration"]
    min: Duration | None = None
    """The shortest."""
    max: Duration | None = None
    """The longest."""

    def _read(self, value: Any, timezone: tzinfo) -> timedelta:
        return parse_duration(value)


class JsonInput(InputKeys):
    """Any JSON value; from a command line, JSON text."""

    type: Literal["json"]

    def _read(self, value: Any, timezone: tzinfo) -> Any:
        return value

    def _read_text(self, text: str, timezone: tzinfo) -> Any:
        return values.as_json(text)


class YamlInput(InputKeys):
    """Any value; text is read as YAML."""

    type: Literal["yaml"]

    def _read(self, value: Any, timezone: tzinfo) -> Any:
        return values.from_yaml(value) if isinstance(value, str) else value


class ListInput(InputKeys):
    """A list; from a command line, a JSON list, or texts with commas between them."""

    type: Literal["list"]
    item: Literal["string", "int", "float", "bool", "date", "datetime", "duration", "uri", "email", "json"] = "string"
    """The type of its items."""
    min_items: Length = 0
    """At least so many."""
    max_items: Length | None = None
    """At most so many."""

    def _read(self, value: Any, timezone: tzinfo) -> list[Any]:
        return self._each(values.as_list(value), lambda item, one: one.parse(item, timezone))

    def _read_text(self, text: str, timezone: tzinfo) -> list[Any]:
        if text.lstrip().startswith("["):
            return self._read(values.as_json(text), timezone)
        return self._each(values.split(text), lambda item, one: one.parse_text(item, timezone))

    def _each(self, items: list[Any], parse: Callable[[Any, InputKeys], Any]) -> list[Any]:
        one = INPUT_TYPES[self.item](id="item", type=self.item)
        parsed = []
        for number, item in enumerate(items, start=1):
            try:
                parsed.append(parse(item, one))
            except ValueError as error:
                other = self.item == "string" and not isinstance(item, str)
                hint = "; `item: int` or another type says that its items are no texts" if other else ""
                raise ValueError(f"has a wrong item, number {number}: it {error}{hint}") from None
        return parsed

    def _check(self, value: Any) -> Any:
        values.check_count(len(value), self.min_items, self.max_items, "item")
        return value


class FileInput(InputKeys):
    """A file: a stored one, or from a command line the path of a local one."""

    type: Literal["file"]
    max_size: Annotated[int, Field(ge=0)] | None = None
    """The largest size, in bytes."""

    def _read(self, value: Any, timezone: tzinfo) -> Artifact | Path:
        return values.as_file(value)

    def _read_text(self, text: str, timezone: tzinfo) -> Artifact | Path:
        return values.as_file(Path(text))

    def _check(self, value: Any) -> Any:
        size = value.stat().st_size if isinstance(value, Path) else value.size
        if self.max_size is not None and size > self.max_size:
            raise ValueError(f"must be at most {self.max_size:,} bytes, and has {size:,}")
        return value


class UriInput(InputKeys):
    """A URI with a scheme."""

    type: Literal["uri"]
    schemes: Annotated[list[str], Field(min_length=1)] | None = None
    """Only these schemes: `[https]`. Default: any."""

    def _read(self, value: Any, timezone: tzinfo) -> str:
        return values.as_uri(value)

    def _check(self, value: Any) -> Any:
        if self.schemes is not None and value.partition(":")[0].lower() not in self.schemes:
            raise ValueError(f"must begin with {listed((f'{scheme}:' for scheme in self.schemes), last='or')}")
        return value


class EmailInput(InputKeys):
    """An e-mail address."""

    type: Literal["email"]

    def _read(self, value: Any, timezone: tzinfo) -> str:
        return values.as_email(value)


INPUT_TYPES: dict[str, type[InputKeys]] = {
    "string": StringInput,
    "int": IntInput,
    "float": FloatInput,
    "bool": BoolInput,
    "select": SelectInput,
    "multiselect": MultiselectInput,
    "date": DateInput,
    "datetime": DatetimeInput,
    "time": TimeInput,
    "duration": DurationInput,
    "json": JsonInput,
    "yaml": YamlInput,
    "list": ListInput,
    "file": FileInput,
    "uri": UriInput,
    "email": EmailInput,
    "secret": SecretInput,
}


def _tag(given: Any) -> str | None:
    name = given.get("type") if isinstance(given, dict) else getattr(given, "type", None)
    return f"<{name}>" if isinstance(name, str) and name in INPUT_TYPES else None


Input: TypeAlias = Annotated[
    Annotated[StringInput, Tag("<string>")]
    | Annotated[IntInput, Tag("<int>")]
    | Annotated[FloatInput, Tag("<float>")]
    | Annotated[BoolInput, Tag("<bool>")]
    | Annotated[SelectInput, Tag("<select>")]
    | Annotated[MultiselectInput, Tag("<multiselect>")]
    | Annotated[DateInput, Tag("<date>")]
    | Annotated[DatetimeInput, Tag("<datetime>")]
    | Annotated[TimeInput, Tag("<time>")]
    | Annotated[DurationInput, Tag("<duration>")]
    | Annotated[JsonInput, Tag("<json>")]
    | Annotated[YamlInput, Tag("<yaml>")]
    | Annotated[ListInput, Tag("<list>")]
    | Annotated[FileInput, Tag("<file>")]
    | Annotated[UriInput, Tag("<uri>")]
    | Annotated[EmailInput, Tag("<email>")]
    | Annotated[SecretInput, Tag("<secret>")],
    Discriminator(_tag),
]
"""One input of a flow, by its `type`. Tags are in `<>` so that no key can be taken for one in an error's path."""
