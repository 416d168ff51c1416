"""Giving a child program its standard input."""

from __future__ import annotations

import io
import os
import select
import stat
import threading
from typing import IO

from rota.executions.processes.wakeup import Wakeup

_CHUNK = 256 * 1024


def shared_descriptor(source: object) -> int | None:
    """Return the descriptor of a plain file that the child can read by itself, at the place where `source` is.

    None for everything that must be read here: what is decompressed, fetched, or open for writing.
    """
    raw = source.raw if type(source) is io.BufferedReader else source
    if type(raw) is not io.FileIO or raw.mode != "rb" or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    # What was read ahead is still to be read.
    os.lseek(raw.fileno(), source.tell(), os.SEEK_SET)  # type: ignore[attr-defined]
    return raw.fileno()


class Feeder:
    """Writes a file object to a pipe on a thread of its own, since reading it may block.

    It closes the pipe at the end. `failed` is what reading raised; `finished` is called then.
    """

    def __init__(self, source: IO[bytes], pipe: int, finished: Wakeup) -> None:
        self.failed: BaseException | None = None
        self._source = source
        self._pipe = pipe
        self._finished = finished
        self._stop = Wakeup()
        self._thread = threading.Thread(target=self._feed, name="stdin", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop writing. A read that is under way is waited for, though not for long."""
        self._stop.set()
        self._thread.join(1.0)

    def _feed(self) -> None:
        try:
            self._copy()
        except BrokenPipeError:
            pass  # The program has read what it wanted.
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that runs the program
            self.failed = error
        finally:
            if self.failed is not None:
                self._finished.set()
            os.close(self._pipe)
            self._stop.close()

    def _copy(self) -> None:
        stop = self._stop.fileno()
        poller = select.poll()
        poller.register(self._pipe, select.POLLOUT)
        poller.register(stop, select.POLLIN)
        while chunk := self._source.read(_CHUNK):
            view = memoryview(chunk)
            while view:
                if any(descriptor == stop for descriptor, _ in poller.poll()):
                    return
                view = view[os.write(self._pipe, view) :]
