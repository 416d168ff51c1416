"""Where the bytes of a child program's two outputs go."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from rota.errors import TaskFailed
from rota.executions.processes.streams import LineSplitter, Tail


class Outputs:
    """Keeps the tails of both outputs, and gives them on as lines or to a file."""

    def __init__(
        self,
        on_line: Callable[[str, str], object] | None,
        on_lines: Callable[[str, list[str]], object] | None,
        file: IO[bytes] | None,
        encoding: str,
    ) -> None:
        self.stdout_tail = Tail(encoding)
        self.stderr_tail = Tail(encoding)
        self._file = file
        self._splitters: dict[str, LineSplitter] = {}
        for stream in ["stderr"] if file is not None else ["stdout", "stderr"]:
            give = _giver(stream, on_line, on_lines)
            if give is not None:
                self._splitters[stream] = LineSplitter(give, encoding)

    def receiver(self, stream: str) -> Callable[[bytes], None]:
        """Return what is to be called with each piece of `stream`, which is `stdout` or `stderr`."""
        keep = (self.stdout_tail if stream == "stdout" else self.stderr_tail).add
        splitter = self._splitters.get(stream)
        if stream == "stdout" and self._file is not None:
            pass_on: Callable[[bytes], object] = self._write
        elif splitter is not None:
            pass_on = splitter.add
        else:
            return keep

        def receive(data: bytes) -> None:
            keep(data)
            pass_on(data)

        return receive

    def finish(self) -> None:
        """Give on the last lines, which lack their ends."""
        for splitter in self._splitters.values():
            splitter.add(b"", last=True)

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        try:
            # An unbuffered file may take a part only.
            while (taken := self._file.write(data)) < len(data):
                data = data[taken:]
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise TaskFailed(f"cannot write the program's standard output: {reason}") from error


def _giver(
    stream: str,
    on_line: Callable[[str, str], object] | None,
    on_lines: Callable[[str, list[str]], object] | None,
) -> Callable[[list[str]], object] | None:
    if on_lines is not None:
        give_many = on_lines
        return lambda lines: give_many(stream, lines)
    if on_line is None:
        return None
    give_one = on_line

    def give(lines: list[str]) -> None:
        for line in lines:
            give_one(stream, line)

    return give
