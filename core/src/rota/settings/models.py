"""The settings: one model, filled from `rota.yaml` and from `ROTA_*` variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from rota.errors import Place, SettingsError
from rota.flows.alerts import AlertRule
from rota.flows.durations import Duration

KeyPath = tuple[str | int, ...]
"""The way to a value from the top of `rota.yaml`."""

_NAMESPACE = r"^[a-z0-9][a-z0-9._-]*$"


class Model(BaseModel):
    """What all parts of the settings have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Section(Model):
    """A part whose further keys are the fields of a plugin's class, named by `type`."""

    model_config = ConfigDict(extra="allow")

    type: str
    """The type, such as `vault.kv`."""

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the type, as written."""
        return self.__pydantic_extra__ or {}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Leave the type's fields out: a token may be among them."""
        return ((name, value) for name, value in super().__repr_args__() if name in type(self).model_fields)


class SecretSettings(Section):
    """A secret backend."""

    id: str
    """Its name."""
    namespaces: list[str] | None = None
    """The namespaces it is open to, each with those below it. Default: all."""

    def is_open_to(self, namespace: str) -> bool:
        """Return whether flows of `namespace` may ask this backend."""
        return self.namespaces is None or any(
            namespace == name or namespace.startswith(f"{name}.")
            for name in (pattern.removesuffix(".*") for pattern in self.namespaces)
        )


class SinkLimit(Model):
    """How much a sink is sent; what is over it waits, and is put together."""

    messages: Annotated[int, Field(ge=1, le=10_000)] = 20
    """At most so many messages …"""
    per: Duration = timedelta(minutes=1)
    """… within so long."""


class SinkSettings(Section):
    """An alert sink."""

    id: str
    """Its name, which alert rules use."""
    limit: SinkLimit = Field(default_factory=SinkLimit)
    """How many messages it is sent at most. Default: 20 a minute."""


class ArtifactSettings(Section):
    """Where artifacts are kept."""

    type: str = "folder"
    """The artifact store; `folder` is the core's own, with a `path`."""


class NamespaceSettings(Model):
    """What holds for the flows of a namespace and of those below it."""

    variables: dict[str, Any] = Field(default_factory=dict)
    """Values for expressions, `vars.<name>`; the flow's own go first."""
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Field values and task keys by type, `ssh.command` or `ssh.*`; the flow's own go first."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of all executions."""
    allow: list[str] | None = None
    """The task types that flows may use, `ssh.*` or `log`; replaces what the parent namespace says. Default: all."""
    run_as: str | None = None
    """The user of the operating system that `shell` and `python` run as."""

    def allows(self, type_name: str) -> bool:
        """Return whether flows may use the task type."""
        return self.allow is None or any(fnmatchcase(type_name, pattern) for pattern in self.allow)

    def over(self, parent: NamespaceSettings) -> NamespaceSettings:
        """Return these settings with what they do not say taken from `parent`."""
        defaults = dict(parent.defaults)
        for name, values in self.defaults.items():
            defaults[name] = {**defaults.get(name, {}), **values}
        return NamespaceSettings(
            variables={**parent.variables, **self.variables},
            defaults=defaults,
            labels={**parent.labels, **self.labels},
            allow=parent.allow if self.allow is None else self.allow,
            run_as=parent.run_as if self.run_as is None else self.run_as,
        )


class Settings(Model):
    """Everything that can be set. Relative paths count from the folder of the settings file.

    A key of a plain value can also be given as a variable: `ROTA_WORKERS=8` for `workers`. A section with
    the name of an installed plugin holds the fields of that plugin's service.
    """

    home: Path
    """Where everything is kept that is not told another place. Default: `.rota` beside `rota.yaml`."""
    store: str = Field(default="", repr=False)
    """The database: a file for SQLite, or `postgresql://user@host/name`. Default: `rota.db` in `home`."""
    artifacts: ArtifactSettings = Field(default_factory=ArtifactSettings)
    """Where stored files are kept: a folder, or `{type: …}` of a plugin. Default: `artifacts` in `home`."""
    durability: Literal["power", "process"] = "power"
    """What a committed step survives: `power` a power cut, `process` (quicker) a crash of Rota alone."""
    secret_key_file: Path = Path()
    """The key that encrypts secrets in the store. Default: `secret.key` in `home`."""
    workers: Annotated[int, Field(ge=1, le=1024)] = 64
    """How many tasks run at the same time."""
    drain_timeout: Duration = timedelta(seconds=30)
    """How long running tasks may go on after SIGTERM."""
    timezone: str = "UTC"
    """Where dates are shown and schedules are read, unless the flow says otherwise: `Europe/Paris`."""
    flows: list[Path] = Field(default_factory=list)
    """The flow files, and folders of them, that commands take when they are given none."""
    secrets: list[SecretSettings] = Field(default_factory=lambda: [SecretSettings(id="env", type="env")])
    """Where secrets come from, asked in this order. Default: `{id: env, type: env}`."""
    sinks: list[SinkSettings] = Field(default_factory=list)
    """Where alerts go."""
    alerts: list[AlertRule] = Field(default_factory=list)
    """Who is told about what, for all flows."""
    namespaces: dict[Annotated[str, Field(pattern=_NAMESPACE)], NamespaceSettings] = Field(default_factory=dict)
    """What holds for the flows of a namespace and of those below it."""
    lease: Duration = timedelta(seconds=15)
    """How long a server may be silent before another takes over its executions."""
    grace: Duration = timedelta(seconds=5)
    """How long a program may take to end after SIGTERM, before it is killed."""
    max_abandoned: Annotated[int, Field(ge=1, le=1000)] = 8
    """How many tasks may ignore their cancellation before the server takes no more work."""
    max_inline: Annotated[int, Field(ge=1024, le=1 << 30)] = 16 << 20
    """The largest output that an expression may load, in bytes."""

    _file: Path | None = PrivateAttr(default=None)
    _sections: dict[str, dict[str, Any]] = PrivateAttr(default_factory=dict)
    _places: Any = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The settings file, where there is one."""
        return self._file

    @property
    def folder(self) -> Path:
        """What relative paths count from: the folder of the settings file, else the current one."""
        return self._file.parent if self._file else Path.cwd()

    @property
    def sections(self) -> Mapping[str, dict[str, Any]]:
        """The sections of service plugins by the plugin's name, as written."""
        return self._sections

    @field_validator("artifacts", mode="before")
    @classmethod
    def _is_folder(cls, value: Any) -> Any:
        return {"type": "folder", "path": str(value)} if isinstance(value, (str, Path)) else value

    @field_validator("timezone")
    @classmethod
    def _exists(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (OSError, ValueError, LookupError):
            raise ValueError(f"`{value}` is not a timezone; write it like `Europe/Paris`") from None
        return value

    @field_validator("lease")
    @classmethod
    def _is_long_enough(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=0.5):
            raise ValueError("a lease shorter than half a second cannot be kept")
        return value

    @field_validator("secrets", "sinks", "alerts")
    @classmethod
    def _have_ids_of_their_own(cls, value: list[Any]) -> list[Any]:
        ids = [section.id for section in value]
        if twice := next((name for name in ids if ids.count(name) > 1), None):
            raise ValueError(f"the id `{twice}` is there twice")
        return value

    @model_validator(mode="before")
    @classmethod
    def _follow_home(cls, values: Any) -> Any:
        """Fill what lives in `home` unless it is told another place."""
        if not isinstance(values, dict) or not isinstance(values.get("home"), (str, Path)):
            return values
        home = Path(values["home"])
        standard = {
            "store": f"sqlite:///{home / 'rota.db'}",
            "artifacts": home / "artifacts",
            "secret_key_file": home / "secret.key",
        }
        return {**standard, **values}

    def namespace_settings(self, namespace: str) -> NamespaceSettings:
        """Return what holds for the flows of `namespace`: its own settings over those of its parents."""
        merged, parts = NamespaceSettings(), namespace.split(".")
        for end in range(1, len(parts) + 1):
            if own := self.namespaces.get(".".join(parts[:end])):
                merged = own.over(merged)
        return merged

    def error(self, path: KeyPath, message: str, hint: str = "") -> SettingsError:
        """Return the error for the value at `path`, such as `("sinks", 0, "url")`, with its place in the file."""
        return SettingsError(f"{self.place(path)}: {message}", hint=hint)

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """Return where the value at `path` stands, or with `key` where its key does."""
        if self._places is None:
            return Place("settings")
        place: Place = self._places.key(path) if key else self._places.value(path)
        return place
