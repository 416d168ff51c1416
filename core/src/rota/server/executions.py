"""Executions, as the facade offers them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rota.errors import Conflict, NotFound, UsageError
from rota.store import commands, executions, iterations, logs, progress, task_runs

if TYPE_CHECKING:
    from rota.conductor.resources import Resources
    from rota.flows.inputs import InputKeys
    from rota.flows.loader import LoadedFlow
    from rota.server.application import Application
    from rota.server.watching import Watch

ENDED = ("success", "warning", "failed", "cancelled")
Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an execution is: state to number, by task over all frames, and by iteration scope."""

    tasks: dict[str, dict[str, int]]
    iterations: dict[str, dict[str, int]]


class Executions:
    """Start, look at and steer executions. Ids may be shortened to what is unique."""

    def __init__(self, app: Application) -> None:
        self._app = app

    @property
    def _resources(self) -> Resources:
        return self._app.resources

    # --- starting

    def run_file(
        self,
        loaded: LoadedFlow,
        inputs: Mapping[str, Any],
        *,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        author: str = "",
    ) -> str:
        """Store a flow file as a draft revision, start it in this process, and return the execution's id.

        `inputs` holds JSON values or `rota.flows.given.Typed` texts. Raises InputError, FlowError, PluginError.
        """
        from rota.store import flows

        where = namespace or loaded.flow.namespace or "default"
        content = {file.name: file.content for file in loaded.files}
        revision = self._app.conductor().submit(
            lambda conn: flows.draft(conn, where, loaded.flow.id, loaded.source, content, author=author, at=time.time())
        )
        return self._start(revision, where, inputs, mode="local", labels=labels, author=author)

    def start(
        self,
        namespace: str,
        flow: str,
        inputs: Mapping[str, Any],
        *,
        labels: Mapping[str, str] | None = None,
        trigger: Mapping[str, Any] | None = None,
        here: bool = False,
        author: str = "",
    ) -> str:
        """Start a deployed flow and return the execution's id.

        A server that runs takes it; with `here`, or from inside a server, this process runs it. Raises NotFound,
        InputError.
        """
        from rota.store import flows

        with self._app.store.read() as conn:
            revision = flows.newest(conn, namespace, flow)
        if revision is None:
            raise NotFound(f"there is no flow `{namespace}/{flow}`", hint="`rota flows list` shows them")
        local = here or self._app.running is not None
        return self._start(
            revision,
            namespace,
            inputs,
            mode="server" if not here or (self._app.running and self._app.running.server) else "local",
            labels=labels,
            trigger=trigger,
            author=author,
            elsewhere=not local,
        )

    def _start(
        self,
        revision_id: int,
        namespace: str,
        inputs: Mapping[str, Any],
        *,
        mode: str,
        labels: Mapping[str, str] | None = None,
        trigger: Mapping[str, Any] | None = None,
        author: str = "",
        elsewhere: bool = False,
    ) -> str:
        from rota.conductor.creation import execution_row
        from rota.conductor.revisions import Revisions

        if elsewhere:
            with self._app.store.read() as conn:
                revision = Revisions(self._resources).get(conn, revision_id, namespace)
            row = execution_row(
                self._resources, revision, inputs, mode=mode, labels=labels, trigger=trigger, author=author
            )
            with self._app.writable.write() as conn:
                executions.insert(conn, row)
                self._app.store.notify(conn, "executions")
            return str(row["id"])
        conductor = self._app.conductor()
        # Rendering, and storing files that are inputs, is not for the conductor's thread.
        revision = conductor.revisions.get(None, revision_id, namespace)
        row = execution_row(
            self._resources,
            revision,
            inputs,
            mode=mode,
            owner=conductor.id,
            labels=labels,
            trigger=trigger,
            author=author,
        )

        def begin() -> str:
            live = conductor.lifecycle.adopt_row(None, row)
            conductor.driver.batch.created.append(row)
            conductor.lifecycle.begin(live)
            return live.id

        return conductor.call(begin)

    def wait(self, execution_id: str, timeout: float | None = None) -> Row | None:
        """Wait until an execution has ended and return its row, or None after `timeout` seconds."""
        limit = None if timeout is None else time.monotonic() + timeout
        conductor = self._app.running
        if conductor is not None and execution_id in conductor.driver.lives:
            conductor.wait(execution_id, timeout)
        while True:
            row = self.get(execution_id)
            if row["state"] in ENDED:
                return row
            if limit is not None and time.monotonic() > limit:
                return None
            time.sleep(0.1)

    # --- looking

    def resolve(self, id: str) -> str:
        """Return the full id that `id` shortens. Raises NotFound, UsageError if it is not unique."""
        with self._app.store.read() as conn:
            found = executions.starting_with(conn, id, 3)
        if not found:
            raise NotFound(f"there is no execution `{id}`", hint="`rota executions list` shows them")
        if len(found) > 1 and id not in found:
            raise UsageError(f"the id `{id}` is not unique", hint=f"it may be {', '.join(found)}")
        return id if id in found else found[0]

    def latest(self, author: str) -> str:
        """Return the id of the execution that `author` started last; subflows do not count. Raises NotFound."""
        with self._app.store.read() as conn:
            found = executions.latest_of(conn, author)
        if found is None:
            raise NotFound(f"`{author}` has started no execution", hint="`rota executions list` shows those of others")
        return found

    def get(self, id: str) -> Row:
        """Return the row of an execution: `id, namespace, flow, state, run, problem, outputs, *_at, …`."""
        with self._app.store.read() as conn:
            row = executions.get(conn, id)
        if row is None:
            return self.get(self.resolve(id))
        return row

    def list(self, *, before: str | None = None, **filters: Any) -> Rows:
        """Return a page of executions, newest first, those older than the execution `before`.

        The other filters are those of `rota.store.executions.page`.
        """
        at = None if before is None else executions.position(self.get(before))
        with self._app.store.read() as conn:
            return executions.page(conn, before=at, **filters)

    def revision(self, id: str) -> Row | None:
        """Return the revision that an execution runs: `number` (None for a draft), `source`, `files` and more."""
        from rota.store import flows

        with self._app.store.read() as conn:
            return flows.revision(conn, self.get(id)["revision_id"])

    def task_runs(self, id: str, **filters: Any) -> Rows:
        """Return a page of task runs (and scopes) of an execution, by path and node."""
        with self._app.store.read() as conn:
            return task_runs.page(conn, id, **filters)

    def attempts(self, id: str) -> Rows:
        """Return the earlier attempts of an execution's task runs."""
        with self._app.store.read() as conn:
            return task_runs.attempts_of(conn, id)

    def iterations(self, id: str, path: str, node: str, **filters: Any) -> Rows:
        """Return a page of the iterations of a `foreach`, `fleet` or `repeat`."""
        with self._app.store.read() as conn:
            return iterations.page(conn, id, path, node, **filters)

    def iteration_counts(self, id: str, path: str, node: str) -> dict[str, int]:
        """Return how many iterations are in which state."""
        with self._app.store.read() as conn:
            return iterations.counts(conn, id, path, node)

    def output(self, id: str, path: str, node: str) -> Any:
        """Return the output of a task run, secrets as `SecretStr`; None where there is none."""
        from rota.conductor.host import LocalHost
        from rota.conductor.logbuffer import LogBuffer

        host = LocalHost(self._resources, lambda _: None, LogBuffer(lambda: None), 0)
        try:
            return host.output(id, path, node)
        except KeyError:
            return None

    def progress(self, id: str) -> Progress:
        """Return how many runs of each task and how many iterations of each scope are in which state."""
        with self._app.store.read() as conn:
            return Progress(progress.task_counts(conn, id), progress.iteration_counts(conn, id))

    def watch(self, id: str, *, interval: float = 0.2, restart: bool = False) -> Watch:
        """Return what yields the updates of an execution until it has ended, looking every `interval` seconds.

        With `restart` it is made before a restart, and tells only of what comes after.
        """
        from rota.server.watching import Watch

        return Watch(self._app, self.resolve(id), interval=interval, restart=restart)

    def tail(self, id: str, **filters: Any) -> Rows:
        """Return the last log lines: of a `path` and `node`, of `levels`, up to `limit`."""
        with self._app.store.read() as conn:
            return logs.tail(conn, id, **filters)

    def logs(self, id: str, **filters: Any) -> Rows:
        """Return a page of log lines: `after` an id, of a `path` and `node`, of `levels`, up to `limit`."""
        with self._app.store.read() as conn:
            return logs.page(conn, id, **filters)

    def follow_logs(self, id: str, *, after: int = 0, interval: float = 0.2, **filters: Any) -> Iterator[Rows]:
        """Yield pages of log lines after the line `after` as they come, until the execution has ended."""
        while True:
            ended = self.get(id)["state"] in ENDED
            while page := self.logs(id, after=after, **filters):
                after = page[-1]["id"]
                yield page
            if ended:
                return
            time.sleep(interval)

    # --- steering

    def cancel(self, id: str, *, author: str = "") -> None:
        """Ask an execution to end: what runs is stopped, `finally` runs. Raises Conflict if it has ended."""
        self._command(id, "cancel", None, author)

    def resume(
        self,
        id: str,
        *,
        task: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        reject: bool = False,
        author: str = "",
    ) -> None:
        """Answer a `pause`, approve a batch or decide about a breach. `task` names the task run if several wait.

        Raises Conflict if nothing waits, InputError for wrong answers.
        """
        from rota.server.resuming import resume

        resume(self._app, self.resolve(id), task, inputs or {}, reject=reject, author=author)

    def questions(self, id: str, task: str | None = None) -> Sequence[InputKeys]:
        """Return the inputs that whoever resumes an execution is asked for. Raises Conflict if nothing waits."""
        from rota.server.resuming import questions

        return questions(self._app, self.resolve(id), task)

    def change_limits(
        self, id: str, task: str, *, max_parallel: int | None = None, max_failures: int | None = None, author: str = ""
    ) -> None:
        """Change the limits of a running fleet, in targets. `task` is its id, or `path/id` where it runs in a fleet.

        Raises NotFound where no such fleet runs.
        """
        row = self.get(id)
        with self._app.store.read() as conn:
            running = task_runs.of_executions(conn, [row["id"]], states=("running", "paused"))
        names = {
            f"{one['path']}/{one['node']}".lstrip("/"): one for one in running if one["type"] == "fleet" and one["node"]
        }
        found = [one for name, one in names.items() if task in (name, one["node"])]
        if len(found) > 1:
            raise UsageError(f"more than one fleet `{task}` runs", hint=f"name one: {', '.join(sorted(names))}")
        if not found:
            raise NotFound(f"no fleet `{task}` runs in execution {row['id']}", hint=", ".join(sorted(names)))
        limits = {"max_parallel": max_parallel, "max_failures": max_failures}
        self._command(id, "limits", {"path": found[0]["path"], "node": found[0]["node"], **limits}, author)

    def restart(
        self,
        id: str,
        *,
        targets: Sequence[str] | None = None,
        run_lost: bool = False,
        revision: str | None = None,
        author: str = "",
    ) -> str:
        """Go on with an execution that has ended, at what did not succeed, and return its full id.

        `targets` picks iterations by key; `revision="latest"` takes the flow's newest. Raises Conflict.
        """
        from rota.server.restarting import restart

        return restart(self._app, self.resolve(id), targets, run_lost=run_lost, revision=revision, author=author)

    def restart_plan(self, id: str, *, targets: Sequence[str] | None = None) -> Row:
        """Return what a restart runs and what it runs again: `{"runs": […], "again": […], "lost": […]}`."""
        from rota.server.restarting import plan

        return plan(self._app, self.resolve(id), targets)

    def replay(self, id: str, *, author: str = "") -> str:
        """Start a new execution of the same revision with the same inputs, and return its id."""
        row = self.get(id)
        from rota.executions.values import unsealed

        inputs = unsealed(row["inputs"] or {}, self._resources.unseal)
        given = {name: value for name, value in inputs.items() if value is not None}
        trigger = {"id": "replay", "type": "replay", "event": {"execution": row["id"]}}
        server = row["mode"] == "server" and self._app.running is None and self.server_is_alive()
        return self._start(
            row["revision_id"],
            row["namespace"],
            given,
            mode=row["mode"],
            labels=row["labels"],
            trigger=trigger,
            author=author,
            elsewhere=server,
        )

    def server_is_alive(self) -> bool:
        """Whether a server runs that takes executions of deployed flows."""
        from rota.conductor.recovery import living_servers

        return bool(living_servers(self._app.store))

    def _command(self, id: str, kind: str, payload: Any, author: str) -> None:
        store = self._app.writable
        row = self.get(id)
        if row["state"] in ENDED:
            raise Conflict(f"execution {row['id']} has ended already: {row['state']}")
        with store.write() as conn:
            commands.add(conn, row["id"], kind, payload, author=author, at=time.time())
            store.notify(conn, "commands")
        if self._app.running is not None:
            self._app.running.look()
