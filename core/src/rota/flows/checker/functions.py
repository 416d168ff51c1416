"""Checks the calls of functions in expressions: that they exist, and what literal arguments name."""

from __future__ import annotations

from rota.flows.checker.examination import Examination
from rota.flows.checker.spots import Spot
from rota.flows.similar import did_you_mean
from rota.flows.templates import Found
from rota.flows.templates.uses import Call


def check_call(exam: Examination, spot: Spot, found: Found, call: Call) -> None:
    """Report what is wrong with one call."""
    names = frozenset({"secret", "kv", "read", "file", "now", "range", "dict"})
    place = exam.place((*spot.path, *found.keys), found.offset + max(found.expression.source.find(call.name), 0))
    if call.name not in names:
        hint = did_you_mean(call.name, names, what="there are")
        exam.report("unknown-name", f"there is no function `{call.name}`", spot.path, hint, place=place)
        return
    if call.name not in spot.names and call.name != "secret":
        message = f"`{call.name}()` cannot be called in `{spot.root}`: there is no run yet"
        exam.report("misplaced-name", message, spot.path, "", place=place)
        return
    argument = call.args[0] if call.args else ...
    if call.name == "file" and isinstance(argument, str):
        check_file(exam, spot, argument, found)
    if call.name == "secret":
        _check_secret(exam, spot, argument, found)


def check_file(exam: Examination, spot: Spot, name: str, found: Found | None = None) -> None:
    """Report a file that is not among the flow's `files`, where those are known."""
    known = [file.name for file in exam.loaded.files]
    if name in known or (exam.flow.files and not known):
        return
    path = spot.path if found is None else (*spot.path, *found.keys)
    offset = 0 if found is None else found.offset + max(found.expression.source.find(name), 0)
    hint = did_you_mean(name, known)
    if not hint.startswith("did"):
        hint = f"add it: `files: [{name}]`"
    exam.report("missing-file", f"the flow has no file `{name}`", path, hint, place=exam.place(path, offset))


def _check_secret(exam: Examination, spot: Spot, name: object, found: Found) -> None:
    path = (*spot.path, *found.keys)
    place = exam.place(path, found.offset + max(found.expression.source.find("secret"), 0))
    if isinstance(name, str):
        where, hash_sign, field = name.partition("#")
        if not where.strip() or (hash_sign and not field.strip()) or ".." in where.split("/"):
            hint = "write it like `secret('ssh/backup#private_key')`"
            exam.report("invalid-value", f"`{name}` is not the name of a secret", path, hint, place=place)
    elif not (name is ... or isinstance(name, str)):
        exam.report("invalid-value", "the name of a secret is text", path, "put it in quotes", place=place)
    backends = None if exam.settings is None else exam.settings.secrets
    if backends is not None and not any(backend.is_open_to(exam.namespace) for backend in backends):
        message = f"no secret backend is open to the namespace `{exam.namespace}`"
        exam.report("no-secret-backend", message, path, "see `secrets` in rota.yaml", place=place)
