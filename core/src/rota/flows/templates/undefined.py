"""What an undefined name is: it chains, it can be given a default, and it fails when used, naming its whole path."""

from __future__ import annotations

from itertools import islice
from typing import Any, NoReturn

from jinja2 import StrictUndefined

from rota.errors import ExpressionError

_MAX_NAMES = 1000
_MAX_LISTED = 12
_MAX_PATH = 200


class Missing(StrictUndefined):
    """An undefined value.

    Attributes:
        path: as written (`outputs.dump.stdot`), up to the name that is not there.
        whole: the path with all that was asked of it (`outputs.dump.stdot.lines`).
        known: the names there are in its place.
    """

    __slots__ = ("known", "path", "whole")

    def __init__(self, hint: str | None = None, obj: Any = None, name: str | None = None, exc: Any = None) -> None:
        super().__init__(hint, obj, name)
        self.path = self.whole = str(name or hint or "a value")
        self.known: Any = ()

    @classmethod
    def at(cls, path: str, known: Any = ()) -> Missing:
        """Return the undefined value at `path`, in whose place are the names `known`."""
        missing = cls(name=path)
        missing.known = known
        return missing

    def fail(self) -> NoReturn:
        """Raise the ExpressionError that says what is undefined, and what may have been meant."""
        because = f": there is no `{self.path[:_MAX_PATH]}`" if self.whole != self.path else ""
        raise ExpressionError(f"`{self.whole[:_MAX_PATH]}` is undefined{because}", hint=self._hint())

    def _hint(self) -> str:
        from rota.flows.similar import closest, listed

        parent, _, name = self.path.rpartition(".")
        names = _some(self.known)
        close = closest(name, names)
        if close:
            return f"did you mean `{parent}.{close}`?" if parent else f"did you mean `{close}`?"
        if 0 < len(names) <= _MAX_LISTED:
            return f"there is {listed(sorted(names))}"
        return f"give a default: `{self.path} | default(…)`"

    def _fail_with_undefined_error(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.fail()

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = __contains__ = _fail_with_undefined_error
    __int__ = __float__ = __add__ = __call__ = __lt__ = __le__ = __gt__ = __ge__ = _fail_with_undefined_error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.child(name)

    def __getitem__(self, key: Any) -> Any:
        return self.child(key)

    def child(self, key: Any) -> Missing:
        """Return the undefined value under `key` of this one."""
        missing = Missing.at(self.path, self.known)
        missing.whole = join_path(self.whole, key)
        return missing


def join_path(path: str, key: Any) -> str:
    """Return how the value under `key` of `path` is written."""
    if isinstance(key, str) and key.isidentifier():
        return f"{path}.{key}"
    return (
        f"{path}[{str(key)[:40]!r}]" if isinstance(key, str) else f"{path}[{key}]" if type(key) is int else f"{path}[…]"
    )


def _some(names: Any) -> list[str]:
    return [name for name in islice(names, _MAX_NAMES) if isinstance(name, str)]
