"""How a test talks to a lab server that is a program of ours: JSON lines over a Unix socket in the server's folder."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SOCKET = "control.sock"

Answer = Callable[[str, dict[str, Any]], Any]
"""Takes what is asked and its arguments, returns something JSON can hold; what it raises is told to the asker."""


class Refused(RuntimeError):
    """The server could not do what was asked; the message is its own."""


def serve(folder: Path, answer: Answer) -> None:
    """Answer requests on the socket in `folder` until this process ends. Call it when all ports are bound."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = json.loads(self.rfile.readline() or b"null")
            if request is not None:
                self.wfile.write(json.dumps(_reply(answer, request)).encode() + b"\n")

    path = folder / _SOCKET
    path.unlink(missing_ok=True)
    server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
    server.daemon_threads = True
    server.serve_forever()


def serve_in_thread(folder: Path, answer: Answer) -> None:
    """Do as `serve`, on a thread, and return at once."""
    threading.Thread(target=serve, args=(folder, answer), daemon=True, name="control").start()


def ask(folder: Path, what: str, **arguments: Any) -> Any:
    """Ask the server of `folder`; return its answer. Raises `Refused`, and OSError when nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(folder / _SOCKET))
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps([what, arguments]).encode() + b"\n")
            stream.flush()
            line = stream.readline()
    if not line:
        raise ConnectionError("the lab server ended while it was asked")
    reply = json.loads(line)
    if "error" in reply:
        raise Refused(reply["error"])
    return reply["answer"]


def answers(folder: Path) -> bool:
    """Return whether the server of `folder` is up."""
    with contextlib.suppress(OSError):
        ask(folder, "ports")
        return True
    return False


def _reply(answer: Answer, request: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    what, arguments = request
    try:
        return {"answer": answer(what, arguments)}
    except Refused as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001 (whatever it is, the asker gets it rather than a closed connection)
        return {"error": f"{type(error).__name__}: {error}"}
