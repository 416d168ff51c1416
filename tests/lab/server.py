"""What every server of the lab has in common: a folder, a process, and the ways to end it and bring it back."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab import control
from tests.lab.process import ServerProcess

ROOT = Path(__file__).parents[2]


class Server:
    """A server with its data in `folder`; leaving the context manager stops it and removes the folder."""

    def __init__(self, folder: Path, launch: Callable[[], ServerProcess]) -> None:
        self.folder = folder
        self._launch = launch
        self._process = launch()

    @property
    def running(self) -> bool:
        """Whether the server's process still runs."""
        return self._process.running

    @property
    def pid(self) -> int:
        """The process, and process group, of the server."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The file that the server's output goes to."""
        return self._process.log

    def kill(self) -> None:
        """Kill the server, as a crash would; `restart` brings it back."""
        self._process.kill()

    def restart(self) -> None:
        """Kill the server where it still runs, and start it on the same ports and data."""
        self._process.kill()
        self._process = self._launch()

    def freeze(self) -> None:
        """Let the server hang: connections stay open and nothing is answered until `thaw`."""
        self._process.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._process.signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the server and remove its folder; also when it ended before."""
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class PythonServer(Server):
    """A server that is a module of this package, run as a program: `python -m MODULE FOLDER`.

    It reads `config.json` in its folder, and answers on `control.sock` there once its ports are bound. The ports that
    it reports go back into the configuration, so that a restart takes the same ones.
    """

    def __init__(self, module: str, config: dict[str, Any]) -> None:
        folder = temporary_folder(module.rpartition(".")[2])
        self._module, self._config = module, config
        try:
            super().__init__(folder, lambda: self._launch_module(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def ask(self, what: str, **arguments: Any) -> Any:
        """Return the server's answer to a request over its control socket; raises `control.Refused`."""
        return control.ask(self.folder, what, **arguments)

    @property
    def ports(self) -> list[int]:
        """The TCP ports of 127.0.0.1 that the server listens on."""
        return list(self._config["ports"])

    def _launch_module(self, folder: Path) -> ServerProcess:
        (folder / "config.json").write_text(json.dumps(self._config))
        process = ServerProcess.start(
            [sys.executable, "-m", self._module, folder],
            folder,
            name=self._module.rpartition(".")[2],
            env={"PYTHONPATH": str(ROOT), "HOME": str(folder)},
            remove=folder,
        )
        process.wait_until(lambda: control.answers(folder))
        self._config["ports"] = control.ask(folder, "ports")
        return process


def temporary_folder(name: str) -> Path:
    """Return a new folder for a server's files, private to this user, with a path short enough for sockets in it."""
    return Path(tempfile.mkdtemp(prefix=f"rota-lab-{name}-"))
