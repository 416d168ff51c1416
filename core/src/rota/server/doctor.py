"""What `rota doctor` looks at; nobody is told anything.

Nothing is changed but for a file that an artifact store of a plugin gets, and loses again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rota.errors import NotFound, RotaError, SecretError
from rota.server.looking import ERROR, OK, WARNING, Check, Look

if TYPE_CHECKING:
    from rota.extensions import SecretBackend
    from rota.server.application import Application

SKEW, WRONG_SKEW = 1.0, 5.0
"""Seconds between the clock here and the database's that are warned of, and that are wrong."""
NOTHING_LEFT = 200 << 20
"""With fewer bytes than this on a disk, commits are about to be refused."""
UNKNOWN = "rota-doctor"
"""The path of a secret that nobody has: who answers that there is none, answers."""


def examine(app: Application) -> Iterator[Check]:
    """Yield what was found, always in the same order. What needs the database is left out where that cannot be used."""
    usable = True
    for check in Look("database", lambda: _database(app)).checks():
        usable = usable and check.state == OK
        yield check
    plugins = list(Look("plugins", lambda: _plugins(app)).checks())  # loads what the other looks use
    looks = [Look("disk", lambda: _disks(app)), Look("key", lambda: _key(app.settings.secret_key_file))]
    looks += _looks_with_a_store(app) if usable else []
    yield from plugins
    for look in looks:
        yield from look.checks()


def _looks_with_a_store(app: Application) -> list[Look]:
    looks = [Look("clock", lambda: _clock(app)), Look("artifacts", lambda: _artifacts(app))]
    looks += _looks_at_secrets(app)
    looks += [Look("sinks", partial(_sink, app, sink.id), about=f"{sink.id}: ") for sink in app.settings.sinks]
    return [*looks, Look("servers", lambda: _servers(app)), Look("conditions", lambda: _conditions(app))]


def _looks_at_secrets(app: Application) -> list[Look]:
    try:
        backends = app.resources.secret_backends.items()
    except RotaError as error:
        wrong = Check("secrets", ERROR, error.message, error.hint)
        return [Look("secrets", lambda: iter([wrong]))]
    return [Look("secrets", partial(_secret_backend, name, one), about=f"{name}: ") for name, one in backends]


def _database(app: Application) -> Iterator[Check]:
    from rota.store import file_of, schema

    path = file_of(app.settings.store)
    if path is not None:
        version = schema.version_of_file(path)
        if version is None:
            yield Check("database", WARNING, f"there is no database `{path}` yet", "it is made when it is first needed")
            return
        if version < schema.HEAD:
            message = f"`{path}` has schema {version}, this program {schema.HEAD}"
            yield Check("database", WARNING, message, "`rota migrate` copies it and brings it up to date")
            return
    store = app.store  # for PostgreSQL this raises for what is to be migrated, too
    yield Check("database", OK, f"{store.where} answers, and has schema {schema.HEAD}")


def _clock(app: Application) -> Iterator[Check]:
    from rota.store.engine import now

    with app.store.read() as conn:
        before = time.time()
        there = now(conn)
        after = time.time()
    apart = max(0.0, before - there, there - after)
    if apart < SKEW:
        yield Check("clock", OK, "this clock and the database's agree")
        return
    state = ERROR if apart > WRONG_SKEW else WARNING
    hint = "schedules follow this clock and leases the database's: let both follow NTP"
    yield Check("clock", state, f"this clock and the database's are {apart:.1f} s apart", hint)


def _disks(app: Application) -> Iterator[Check]:
    from rota.alerts.disks import usage_of

    for folder in folders_of(app):
        total, free = usage_of(folder)
        left = f"{folder}: {free / (1 << 30):,.1f} GiB of {total / (1 << 30):,.1f} GiB are free"
        hint = "make room; `rota purge --older-than 90d` removes old executions"
        state = _state_of_disk(total, free)
        yield Check("disk", state, left, "" if state == OK else hint)


def _state_of_disk(total: int, free: int) -> str:
    from rota.alerts.disks import LEFT, PART

    if free < NOTHING_LEFT:
        return ERROR
    return WARNING if free < LEFT and free < total * PART else OK


def folders_of(app: Application) -> list[Path]:
    """Return the folders of this machine that grow: the home, that of an SQLite file, the artifacts."""
    from rota.store import file_of

    settings = app.settings
    path = file_of(settings.store)
    found = [settings.home, *([path.parent] if path is not None else [])]
    if settings.artifacts.type == "folder":
        found.append(Path(settings.artifacts.fields["path"]))
    return list(dict.fromkeys(found))


def _key(path: Path) -> Iterator[Check]:
    from rota.store.keyring import Keyring

    if not path.exists():
        hint = "`rota init` makes one; where there are secrets in the database, put the key back that they need"
        yield Check("key", WARNING, f"there is no secret key `{path}`", hint)
        return
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        yield Check("key", ERROR, f"others may read `{path}`: its mode is {mode:04o}", f"chmod 600 {path}")
    Keyring(path).encrypt("")
    if not mode & 0o077:
        yield Check("key", OK, f"`{path}` can be used, by nobody else")


def _artifacts(app: Application) -> Iterator[Check]:
    import os

    section = app.settings.artifacts
    if section.type != "folder":
        _write_and_delete(app)
        yield Check("artifacts", OK, f"the store `{section.type}` takes files and gives them back")
        return
    path = Path(section.fields["path"])
    if not path.exists():
        yield Check("artifacts", OK, f"`{path}` is made when it is first needed")
        return
    _ = app.resources.artifacts
    if os.access(path, os.W_OK | os.X_OK):
        yield Check("artifacts", OK, f"`{path}` belongs to this database, and can be written to")
    else:
        yield Check("artifacts", ERROR, f"`{path}` cannot be written to", "give it to the user that runs Rota")


def _write_and_delete(app: Application) -> None:
    import uuid

    artifacts, key = app.resources.artifacts, f"doctor/{uuid.uuid4().hex}"
    try:
        with artifacts.writer(key) as file:
            file.write(b"rota doctor")
        with artifacts.open(key) as file:
            if file.read() != b"rota doctor":
                raise NotFound("the artifact store gives back something else than it was given")
    finally:
        artifacts.delete(key)


def _plugins(app: Application) -> Iterator[Check]:
    plugins = app.plugins.all()
    for plugin in plugins:
        if plugin.broken:
            message = f"{plugin.name} ({plugin.dist} {plugin.version}): {plugin.broken}"
            yield Check("plugins", ERROR, message, "install another version, or uninstall it")
    if good := [plugin.name for plugin in plugins if not plugin.broken]:
        yield Check("plugins", OK, f"{len(good)} can be used: {', '.join(good)}")


def _secret_backend(name: str, backend: SecretBackend) -> Iterator[Check]:
    """Ask a backend for a secret that nobody has."""
    from rota.alerts.sink_context import SinkContext
    from rota.executions.masking import Masker

    def none_of_its_own(asked: str, _ctx: object) -> Any:
        raise SecretError(f"a secret backend asks for the secret `{asked}`")

    masker = Masker()
    try:
        backend.get(UNKNOWN, SinkContext(None, masker, none_of_its_own))
    except SecretError as error:
        if error.retryable:
            yield Check("secrets", ERROR, f"{name}: {error.message}", error.hint or "see that it runs, and try again")
            return
        hint = "it refuses a secret that nobody has; that may be right, or its login is wrong"
        yield Check("secrets", WARNING, f"{name}: {error.message}", error.hint or hint)
    except Exception as error:  # noqa: BLE001 - a plugin raises what it likes
        yield Check("secrets", ERROR, f"{name}: {type(error).__name__}: {masker(str(error))}")
    else:
        yield Check("secrets", OK, f"{name} answers")


def _sink(app: Application, name: str) -> Iterator[Check]:
    """Make a sink ready, and send nothing."""
    try:
        app.alerts.sinks().make(name)
    except RotaError as error:
        yield Check("sinks", ERROR, f"{name}: {error.message}", error.hint or "look at `sinks` in rota.yaml")
    else:
        yield Check("sinks", OK, f"{name} is ready to be used (`rota alerts test {name}` sends something)")


def _servers(app: Application) -> Iterator[Check]:
    from rota import __version__
    from rota.conductor.recovery import living_servers

    rows = living_servers(app.store)
    if not rows:
        yield Check("servers", WARNING, "no server is alive: nothing that is deployed runs", "`rota serve` is one")
        return
    names = ", ".join(f"{row['host']} (pid {row['pid']}, {row['version']})" for row in rows)
    yield Check("servers", OK, f"alive: {names}")
    if others := {row["version"] for row in rows} - {__version__}:
        message = f"servers of version {', '.join(sorted(others))} beside this program's {__version__}"
        yield Check("servers", WARNING, message, "upgrade the others, too")


def _conditions(app: Application) -> Iterator[Check]:
    rows = app.alerts.conditions()
    for row in rows:
        first, *rest = row["message"].splitlines() or [row["subject"]]
        yield Check("conditions", WARNING, f"{row['kind']}: {first}", " ".join(rest))
    if not rows:
        yield Check("conditions", OK, "nothing is known to be wrong")
