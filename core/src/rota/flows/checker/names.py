"""Checks what expressions read: names, and what is looked up in them."""

from __future__ import annotations

from collections.abc import Sequence

from rota.errors import Place
from rota.flows.checker.examination import Examination
from rota.flows.checker.guards import Guards
from rota.flows.checker.shapes import ANY, Shape
from rota.flows.checker.spots import Spot
from rota.flows.checker.tree import Site
from rota.flows.checker.visibility import Seen, Sight, see
from rota.flows.checker.world import TASK_STATE, World
from rota.flows.similar import did_you_mean
from rota.flows.templates import Found
from rota.flows.templates.undefined import join_path
from rota.flows.templates.uses import Path

Keys = tuple[str | int | None, ...]

_WHERE = {
    "item": "inside of a `foreach`, `fleet` or `repeat`",
    "index": "inside of a `foreach`, `fleet` or `repeat`",
    "key": "inside of a `foreach` or `fleet`",
    "target": "inside of a `fleet`",
    "error": "inside of `errors`",
    "task": "in a task",
}
_UNKNOWN = {"inputs": ("unknown-input", "input"), "vars": ("unknown-variable", "variable")}
_WITH_NAMES = ("object", "union")
FUNCTIONS = frozenset("secret kv read file now range dict".split())


class Reader:
    """Resolves paths of names; reports each that leads nowhere."""

    def __init__(self, exam: Examination, world: World) -> None:
        self._exam = exam
        self._world = world
        self._guards = Guards(exam.tree)

    def shape(self, spot: Spot, keys: Keys) -> Shape | None:
        """Return the shape of what is at `keys`, or None where there is nothing; nothing is reported."""
        first, rest = str(keys[0]), keys[1:]
        shape: Shape | None
        if first in ("outputs", "tasks"):
            site = self._exam.tree.by_id.get(str(rest[0])) if rest else None
            if site is None:
                return ANY
            shape, rest = (TASK_STATE if first == "tasks" else self._world.output(site)), rest[1:]
        else:
            shape = self._world.name(first, spot)
        for key in rest:
            shape = None if shape is None else shape.step(key)
        return shape

    def read(self, spot: Spot, found: Found, path: Path) -> Shape | None:
        """Return what `path` of an expression at `spot` gives, None if nothing; report what is wrong with it."""
        first = str(path.keys[0])
        if first not in spot.names:
            self._report_name(spot, found, first, guarded=path.guarded)
            return None
        if first in FUNCTIONS:
            return ANY
        if first in ("outputs", "tasks"):
            return self._read_task(spot, found, path)
        return self._follow(spot, found, path, self._world.name(first, spot), 1)

    def _report_name(self, spot: Spot, found: Found, name: str, *, guarded: bool) -> None:
        place = self._place(spot, found, name)
        if name in _WHERE or name in ("outputs", "tasks", "inputs", "vars", "trigger", "execution", "labels"):
            if not guarded:
                hint = f"`{name}` is there {_WHERE[name]}" if name in _WHERE else (
                    f"there is {_listed(spot.names - FUNCTIONS or spot.names)}")  # fmt: skip
                message = f"`{name}` has no value in `{spot.root}`" + _of(spot.site)
                self._exam.report("misplaced-name", message, spot.path, hint, place=place)
            return
        hint = did_you_mean(name, spot.names, what="there are")
        if not hint.startswith("did") and spot.mode != "value":
            hint = f"text is put in quotes: `'{name}'`"
        self._exam.report("unknown-name", f"there is no name `{name}`", spot.path, hint, place=place)

    def _read_task(self, spot: Spot, found: Found, path: Path) -> Shape | None:
        if len(path.keys) < 2 or path.keys[1] is None:
            return ANY
        first, name = str(path.keys[0]), str(path.keys[1])
        site = self._exam.tree.by_id.get(name)
        if site is None:
            known = [one for one in self._exam.tree.by_id if spot.site is None or one != spot.site.id]
            hint = did_you_mean(name, known, what="the tasks are")
            place = self._place(spot, found, f"{first}.{name}", name)
            self._exam.report("unknown-task", f"there is no task `{name}`", spot.path, hint, place=place)
            return None
        if not self._check_sight(spot, found, path, site):
            return None
        if first == "tasks":
            return self._follow(spot, found, path, TASK_STATE, 2)
        shape = self._world.output(site)
        if shape is None:
            kind = site.step.type if site.step else "flow"
            message = f"task `{name}` has no output: type `{kind}` gives none"
            if not path.guarded:
                place = self._place(spot, found, f"outputs.{name}", name)
                self._exam.report("unknown-output", message, spot.path, self._instead(site), place=place)
            return None
        return self._follow(spot, found, path, shape, 2)

    def _check_sight(self, spot: Spot, found: Found, path: Path, site: Site) -> bool:
        """Say whether `site` can be read at `spot`; report it if not, or if it may be undefined."""
        if spot.cursor is None:
            return False
        seen = see(spot.cursor, site)
        name, state = str(path.keys[1]), path.keys[0] == "tasks"
        if seen.sight is Sight.ENDED:
            return True
        place = self._place(spot, found, f"{path.keys[0]}.{name}", name)
        if seen.sight is Sight.MAYBE:
            if not (state or path.guarded or self._guards.cover(spot, site, seen)):
                hint = f"write `{path.keys[0]}.{name}… | default(…)`, or run this task only if it is defined"
                self._exam.report("maybe-undefined", f"task `{name}` {seen.why}", spot.path, hint, place=place)
            return True
        codes = {Sight.NOT_YET: "not-yet-run", Sight.HIDDEN: "hidden-task"}
        if seen.sight in codes or (seen.sight is Sight.NEVER and not state and not path.guarded):
            code = codes.get(seen.sight, "never-run")
            message = f"task `{name}` {seen.why}" + (f" than `{spot.root}`{_of(spot.site)} is evaluated"
                                                      if seen.why == "runs later" else "")  # fmt: skip
            self._exam.report(code, message, spot.path, _way_out(seen, name), place=place)
            return False
        return True

    def _follow(self, spot: Spot, found: Found, path: Path, shape: Shape, start: int) -> Shape | None:
        shape, missing = follow(shape, path.keys, start)
        if missing and not path.guarded:
            self._report_missing(spot, found, missing, shape)
        return None if missing else shape

    def _report_missing(self, spot: Spot, found: Found, keys: Keys, shape: Shape) -> None:
        name = str(keys[-1])
        place = self._place(spot, found, written(keys), name)
        if len(keys) == 2 and keys[0] in _UNKNOWN:
            code, kind = _UNKNOWN[str(keys[0])]
            hint = did_you_mean(name, shape.names(), what="there are") or f"the flow has no {kind}s"
            self._exam.report(code, f"there is no {kind} `{name}`", spot.path, hint, place=place)
            return
        is_output = keys[0] == "outputs" and len(keys) == 3
        site = self._exam.tree.by_id.get(str(keys[1])) if is_output else None
        message, hint = lack(shape, keys)
        if site is not None and site.step is not None and shape.kind in _WITH_NAMES:
            message = f"task `{keys[1]}` of type `{site.step.type}` has no output `{name}`"
        code = "unknown-output" if is_output else "unknown-attribute"
        self._exam.report(code, message, spot.path, hint, place=place)

    def _instead(self, site: Site) -> str:
        inner = [one.id for block in site.blocks.values() for one in block][:3]
        return f"read the tasks inside of it: `outputs.{inner[0]}`" if inner else ""

    def _place(self, spot: Spot, found: Found, text: str, last: str = "") -> Place:
        """Return where `text` stands in the expression, or its part `last` at the end."""
        source = found.expression.source
        at = max(source.find(text), 0)
        if last and text.endswith(last) and source.startswith(text, at):
            at += len(text) - len(last)
        return self._exam.place((*spot.path, *found.keys), found.offset + at)


def follow(shape: Shape, keys: Keys, start: int = 1) -> tuple[Shape, Keys]:
    """Return the shape at `keys`, looked up from `shape` on by those from `start` on, and no keys.

    Where one leads nowhere: the last shape there is, and the keys up to the one that it lacks.
    """
    for index in range(start, len(keys)):
        inner = shape.step(keys[index])
        if inner is None:
            return shape, keys[: index + 1]
        shape = inner
    return shape, ()


def lack(shape: Shape, keys: Keys) -> tuple[str, str]:
    """Return a sentence that says that `shape` has not the last of `keys`, and a hint."""
    owner, name = written(keys[:-1]), str(keys[-1])
    what = "" if shape.kind in _WITH_NAMES else f" is {shape.words}, it"
    return f"`{owner}`{what} has no `{name}`", did_you_mean(name, shape.names(), what="there is")


def written(keys: Sequence[str | int | None]) -> str:
    """Return `keys` as an expression writes them."""
    text = str(keys[0])
    for key in keys[1:]:
        text = join_path(text, ... if key is None else key)
    return text


def _of(site: Site | None) -> str:
    return f" of task `{site.id}`" if site is not None and site.id else ""


def _way_out(seen: Seen, name: str) -> str:
    if seen.sight is Sight.HIDDEN and seen.by is not None:
        if getattr(seen.by.step, "collect", None) is None:
            return f"read it inside of `{seen.by.id}`"
        return f"name what is needed in `collect` of `{seen.by.id}`, and read `outputs.{seen.by.id}.rows`"
    if seen.sight is Sight.NOT_YET and seen.why.startswith("runs at the same time"):
        return f"add `needs: [{name}]`"
    if seen.why == "runs later":
        return "put it before what reads it"
    return ""


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
