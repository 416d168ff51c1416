"""Runs a request for a task: lines to the log, output kept or stored, ended on cancel and timeout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from rota import Artifact, Context, TaskFailed
from rota_ssh.connection import Connection, connection_to
from rota_ssh.endpoint import Endpoint
from rota_ssh.launcher import ending
from rota_ssh.lines import Lines, Tail
from rota_ssh.program import NotStarted, Program, Request


class CommandResult(BaseModel):
    """How a command ended, and what it wrote."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    exit_code: int
    """The exit code; -1 when a signal ended the shell."""
    stdout: str | Artifact
    """The last 64 KiB of the standard output; with `stdout: artifact`, all of it as an artifact."""
    stderr: str
    """The last 64 KiB of the standard error."""
    truncated: bool
    """Whether there was more of one of the two."""


class Run:
    """One run of a request on a host."""

    def __init__(self, ctx: Context, endpoint: Endpoint, request: Request, grace: float) -> None:
        self._ctx, self._endpoint, self._request, self._grace = ctx, endpoint, request, grace
        self._out, self._err = Tail(), Tail()

    def to_text(self, exit_codes: list[int]) -> CommandResult:
        """Run it, with standard output in the log. Raises TaskFailed, also for any other exit code."""
        lines = Lines(self._ctx.log.info)

        def receive(data: bytes) -> None:
            self._out.add(data)
            lines.add(data)

        code = self._run(receive)
        lines.add(b"", last=True)
        return self._checked(code, exit_codes, self._out.text)

    def to_artifact(self, exit_codes: list[int]) -> CommandResult:
        """Run it, with standard output in an artifact, whole. Raises TaskFailed, also for any other exit code."""
        with self._ctx.artifacts.writer("stdout") as writer:
            code = self._run(writer.write)
            self._checked(code, exit_codes, "")
        return self._result(code, writer.artifact)

    def _run(self, receive: Callable[[bytes], object]) -> int:
        log = Lines(self._ctx.log.warning)

        def complain(data: bytes) -> None:
            self._err.add(data)
            log.add(data)

        with connection_to(self._ctx, self._endpoint) as connection:
            program = Program(
                connection,
                self._request,
                receive,
                complain,
                stop=self._ctx.cancelled,
                end_group=lambda group: self._end(connection, group),
            )
            self._ctx.on_cancel(program.wake)
            try:
                return program.run()
            except NotStarted as error:
                raise self._not_started(error) from None
            except TaskFailed as error:
                error.output = error.output or self._result(-1, self._out.text)
                raise
            finally:
                log.add(b"", last=True)

    def _end(self, connection: Connection, group: int) -> None:
        """End the process group over another channel; where the host allows no more than one, another connection."""
        try:
            try:
                left = _end_group(connection, self._request, group, self._grace)
            except TaskFailed:
                if not connection.alive:
                    raise
                left = self._end_over_another(group)
        except (TaskFailed, NotStarted) as error:
            self._ctx.log.warning(f"process group {group} on `{self._endpoint.address}` could not be ended: {error}")
            return
        if left:
            self._ctx.log.warning(f"process group {group} on `{self._endpoint.address}` has survived SIGKILL")

    def _end_over_another(self, group: int) -> bool:
        from rota_ssh.dialling import dial

        another = dial(self._ctx, self._endpoint, stoppable=False)
        try:
            return _end_group(another, self._request, group, self._grace)
        finally:
            another.close()

    def _not_started(self, error: NotStarted) -> TaskFailed:
        said = _last_line(self._err.text) or _last_line(self._out.text) or str(error)
        where = f"`{self._endpoint.address}`"
        if self._request.sudo:
            return TaskFailed(f"sudo on {where} refused: {said}", retryable=False)
        shell = self._request.shell or "/bin/sh"
        return TaskFailed(f"`{shell}` could not be started on {where}: {said}", retryable=False)

    def _checked(self, code: int, exit_codes: list[int], stdout: str) -> CommandResult:
        result = self._result(code, stdout)
        if self._ctx.cancelled.is_set():
            self._ctx.output(result)
            raise TaskFailed("it was cancelled", output=result)
        if code in exit_codes:
            return result
        how = "was ended by a signal" if code == -1 else f"ended with exit code {code}"
        last = _last_line(self._err.text)
        raise TaskFailed(f"the command {how}" + (f": {last}" if last else ""), output=result)

    def _result(self, code: int, stdout: str | Artifact) -> CommandResult:
        truncated = self._err.truncated or self._out.truncated
        return CommandResult(exit_code=code, stdout=stdout, stderr=self._err.text, truncated=truncated)


def _end_group(connection: Connection, request: Request, group: int, grace: float) -> bool:
    """End a process group; return whether anything is left of it. Raises TaskFailed and NotStarted."""
    said = bytearray()
    text = ending(group, grace, request.clean_up)
    kill = replace(request, text=text, shell="", payload=b"", stdin=None)
    Program(connection, kill, said.extend, lambda _: None).run("ending the command")
    return b"left" in said


def _last_line(text: str) -> str:
    return next((line.strip()[:500] for line in reversed(text.splitlines()) if line.strip()), "")
