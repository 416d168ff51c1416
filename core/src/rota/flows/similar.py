"""What somebody may have meant who wrote a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_NAMES = 1000
_MAX_LISTED = 12


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is most like `name`, or None where none is much like it."""
    from difflib import get_close_matches

    known = {str(known).lower(): str(known) for known, _ in zip(names, range(_MAX_NAMES), strict=False)}
    found = get_close_matches(name.lower()[:100], known, n=1, cutoff=0.6)
    return known[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str], *, what: str = "there is") -> str:
    """Return a hint: the closest of `names`, else all of them if they are few, else nothing."""
    known = sorted(names)
    close = closest(name, known)
    if close is not None:
        return f"did you mean `{close}`?"
    return f"{what} {listed(known)}" if 0 < len(known) <= _MAX_LISTED else ""


def listed(names: Iterable[str], *, last: str = "and") -> str:
    """Return `names` as a person lists them: `` `a`, `b` and `c` ``."""
    *front, final = [f"`{name}`" for name in names] or [""]
    return f"{', '.join(front)} {last} {final}" if front else final
