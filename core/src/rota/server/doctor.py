"""What `rota doctor` looks at, one check after the other; nobody is told anything, and what hangs holds up no other.

Nothing is changed but for a file that an artifact store of a plugin gets, and loses again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from rota.errors import NotFound, RotaError, SecretError

if TYPE_CHECKING:
    from rota.extensions import SecretBackend
    from rota.server.application import Application

OK, WARNING, ERROR = "ok", "warning", "error"
PATIENCE = 10.0
"""Seconds within which something must come of a look."""
SKEW, WRONG_SKEW = 1.0, 5.0
"""Seconds between the clock here and the database's that are warned of, and that are wrong."""
NOTHING_LEFT = 200 << 20
"""With fewer bytes than this on a disk, commits are about to be refused."""
UNKNOWN = "rota-doctor"
"""The path of a secret that nobody has: who answers that there is none, answers."""


@dataclass(frozen=True, slots=True)
class Check:
    """What came of one look: `state` is ok, warning or error, `hint` says what to do."""

    name: str
    state: str
    message: str
    hint: str = ""

    def as_record(self) -> dict[str, str]:
        """Return it as `rota doctor --json` prints it."""
        return asdict(self)


def examine(app: Application) -> Iterator[Check]:
    """Yield what was found, as it is found. What needs the database is left out where that cannot be used."""
    usable = True
    for check in _guarded("database", lambda: _database(app)):
        usable = usable and check.state == OK
        yield check
    if usable:
        yield from _guarded("clock", lambda: _clock(app))
    yield from _guarded("disk", lambda: _disks(app))
    yield from _guarded("key", lambda: _key(app.settings.secret_key_file))
    if usable:
        yield from _guarded("artifacts", lambda: _artifacts(app))
    yield from _guarded("plugins", lambda: _plugins(app))
    if usable:
        yield from _secrets(app)
        yield from _guarded("sinks", lambda: _sinks(app))
        yield from _guarded("servers", lambda: _servers(app))
        yield from _guarded("conditions", lambda: _conditions(app))


def _guarded(name: str, look: Callable[[], Iterator[Check]], about: str = "") -> Iterator[Check]:
    """Yield what a look finds, as it finds it, and as an error what it raises, or that it does not come back."""
    found: SimpleQueue[Check | None] = SimpleQueue()

    def run() -> None:
        try:
            for check in look():
                found.put(check)
        except RotaError as error:
            found.put(Check(name, ERROR, f"{about}{error.message}", error.hint))
        except Exception as error:  # noqa: BLE001 - the other checks go on
            found.put(Check(name, ERROR, f"{about}{type(error).__name__}: {error}"))
        found.put(None)

    threading.Thread(target=run, name=f"rota-doctor-{name}", daemon=True).start()
    try:
        while (check := found.get(timeout=PATIENCE)) is not None:
            yield check
    except Empty:
        yield Check(
            name, ERROR, f"{about}there is no answer within {PATIENCE:g} s", "is it reachable from this machine?"
        )


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


def _secrets(app: Application) -> Iterator[Check]:
    try:
        backends = app.resources.secret_backends.items()
    except RotaError as error:
        yield Check("secrets", ERROR, error.message, error.hint)
        return
    for name, backend in backends:
        yield from _guarded("secrets", partial(_secret_backend, name, backend), about=f"{name}: ")


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


def _sinks(app: Application) -> Iterator[Check]:
    wrong = app.alerts.problems()
    for name, problem in wrong.items():
        message, _, hint = problem.partition("\nhint: ")
        yield Check("sinks", ERROR, f"{name}: {message}", hint or "look at `sinks` in rota.yaml")
    good = [sink.id for sink in app.settings.sinks if sink.id not in wrong]
    if good:
        yield Check("sinks", OK, f"ready to be used: {', '.join(good)} (`rota alerts test` sends something)")
    elif not wrong and app.settings.alerts:
        yield Check("sinks", WARNING, "there are alert rules, and no sink", "add `sinks` to rota.yaml")


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
