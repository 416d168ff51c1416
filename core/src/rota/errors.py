"""Every error that Rota raises on purpose.

RotaError                      exit 1   anything below; has a message and, often, a hint
├── UsageError                 exit 2   a command was asked for something that makes no sense
│   ├── NotFound               exit 2   the named flow, execution, type, lock, … does not exist
│   └── InputError             exit 2   inputs are unknown, missing or wrong; holds every problem
├── SettingsError              exit 2   `rota.yaml` or a `ROTA_*` variable is wrong
├── FlowError                  exit 2   a flow does not load or does not check; holds every Problem
├── ExpressionError            exit 2   an expression is wrong, undefined or over its budget
├── PluginError                exit 2   a plugin is missing, broken or a duplicate
├── Conflict                   exit 1   the state of the thing does not allow what was asked
├── SecretError                exit 1   a secret cannot be had: unknown, forbidden, backend down
├── StoreError                 exit 1   the database refused
│   ├── StoreBusy              exit 1   it is locked by somebody else or out of reach; retry later
│   ├── StoreFull              exit 1   no space left, or the file may not grow
│   ├── StoreReadOnly          exit 1   it cannot be written to
│   └── StoreVersion           exit 2   its schema is newer than this program, or needs `rota migrate`
└── TaskFailed                 exit 1   a task says that it failed; the one that plugins raise
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a source text.

    `line` and `column` count from 1; 0 says that only the file is known.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a flow: what `rota check` prints a line for.

    `code` is stable and kebab-case (`unknown-type`), `severity` is `error` or `warning`,
    `hint` says what to do about it and may be empty.
    """

    code: str
    message: str
    place: Place
    hint: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        text = f"{self.place}: {self.severity}[{self.code}]: {self.message}"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class RotaError(Exception):
    """The root of all errors that Rota raises on purpose; `exit_code` is what the launcher ends with."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(RotaError):
    """A command was asked for something that makes no sense."""

    exit_code = 2


class NotFound(UsageError):
    """The named thing does not exist."""


class InputError(UsageError):
    """What was given as inputs does not fit the flow; `problems` maps each input's name to what is wrong."""

    def __init__(self, problems: Mapping[str, str], *, hint: str = "") -> None:
        super().__init__("\n".join(f"input `{name}`: {problem}" for name, problem in problems.items()), hint=hint)
        self.problems = dict(problems)


class SettingsError(RotaError):
    """`rota.yaml` or a `ROTA_*` variable is wrong; the message names the key and the place."""

    exit_code = 2


class FlowError(RotaError):
    """A flow does not load or does not check; `findings` holds every reason, in source order."""

    exit_code = 2

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: Sequence[Finding] = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class ExpressionError(RotaError):
    """An expression is wrong, names something undefined, or is over its budget.

    `expression` is its source; `place` is known when the expression came from a flow file. `offset`
    is where, in the text that holds the expression, the trouble begins: a number of characters.
    """

    exit_code = 2

    def __init__(
        self, message: str, *, expression: str = "", place: Place | None = None, hint: str = "", offset: int = 0
    ) -> None:
        super().__init__(message, hint=hint)
        self.expression = expression
        self.place = place
        self.offset = offset


class PluginError(RotaError):
    """A plugin is missing, broken or a duplicate."""

    exit_code = 2


class Conflict(RotaError):
    """The state of the thing does not allow what was asked."""


class SecretError(RotaError):
    """A secret cannot be had; `retryable` says whether asking again may help (a backend that is down)."""

    def __init__(self, message: str, *, retryable: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class StoreError(RotaError):
    """The database refused.

    `doubtful` says that the connection broke during COMMIT: what was written may be there or not.
    """

    def __init__(self, message: str, *, doubtful: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.doubtful = doubtful


class StoreBusy(StoreError):
    """The database is locked by somebody else, or out of reach; the same may succeed later."""


class StoreFull(StoreError):
    """The database cannot grow: the disk is full or a limit was reached."""


class StoreReadOnly(StoreError):
    """The database cannot be written to."""


class StoreVersion(StoreError):
    """The schema is newer than this program, or older and to be migrated first."""

    exit_code = 2


class TaskFailed(RotaError):
    """A task says that it failed.

    `retryable=False` is for what no second try mends: a wrong password, an invalid value, a syntax
    error. `None` leaves it to the flow's `retry`. `output` is kept as the task's partial output.
    """

    def __init__(self, message: str, retryable: bool | None = None, output: Any = None, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable
        self.output = output
