"""Probes: how a server is, for those who keep it running, by a file or over HTTP."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rota.errors import UsageError
from rota.server.vitals import Health, Vitals

logger = logging.getLogger("rota.server")
EVERY = 0.5
"""Seconds between two looks."""


class ProbeFile:
    """A file that is touched while the server lives, and holds `ready` or `not ready`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._complained = False

    def show(self, health: Health) -> None:
        """Write or touch the file, unless the server does not live."""
        if health.not_live:
            return
        text = "not ready\n" if health.not_ready else "ready\n"
        try:
            if text == self._text and self._path.exists():
                os.utime(self._path)
            else:
                self._write(text)
            self._text, self._complained = text, False
        except OSError as error:
            if not self._complained:
                logger.warning("the probe file cannot be written: %s", error)
            self._complained = True

    def remove(self) -> None:
        """Remove the file: nothing lives here any more."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        new.replace(self._path)


class _Handler(BaseHTTPRequestHandler):
    """Answers `/live` and `/ready`: 200 or 503, and why."""

    timeout = 5
    server_version, sys_version = "rota", ""

    def __init__(self, vitals: Vitals, *arguments: Any) -> None:
        self._vitals = vitals
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer."""
        health = self._vitals.health()
        reasons = {"/live": health.not_live, "/ready": health.not_ready}
        name = self.path.partition("?")[0]
        if name not in reasons:
            self._answer(404, {"error": "there are `/live` and `/ready`"})
            return
        reason = reasons[name]
        self._answer(503 if reason else 200, {name[1:]: not reason, "reason": reason})

    do_HEAD = do_GET  # noqa: N815 - the name that the standard library looks for

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say what was asked to those who want to see everything."""
        logger.debug("probe: %s", format % arguments)


class _Listener(ThreadingHTTPServer):
    """Does not keep a server from ending, nor complains of callers that hang up."""

    daemon_threads = True

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Say that a caller went away to those who want to see everything."""
        logger.debug("probe: %s went away", client_address)


@contextmanager
def probing(
    vitals: Vitals, *, file: Path | None = None, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[None]:
    """Show how the server is while the block runs: in `file`, at `port`, and to systemd's watchdog.

    Raises UsageError for a port that cannot be had.
    """
    over = threading.Event()
    shown = ProbeFile(file) if file is not None else None
    listener = _listen(vitals, host, port) if port is not None else None
    beats = threading.Thread(target=_beat, args=(vitals, shown, over), name="rota-probes", daemon=True)
    beats.start()
    try:
        yield
    finally:
        over.set()
        beats.join(5)
        if shown is not None:
            shown.remove()
        if listener is not None:
            listener.shutdown()
            listener.server_close()


def _listen(vitals: Vitals, host: str, port: int) -> _Listener:
    try:
        listener = _Listener((host, port), partial(_Handler, vitals))
    except (OSError, OverflowError) as error:
        raise UsageError(f"the probes cannot listen on {host}:{port}: {error}", hint="take another port") from None
    threading.Thread(target=listener.serve_forever, name="rota-probe-port", daemon=True).start()
    logger.info("probes listen on http://%s:%d", *listener.server_address[:2])
    return listener


def _beat(vitals: Vitals, shown: ProbeFile | None, over: threading.Event) -> None:
    while True:
        health = vitals.beat()
        if shown is not None:
            shown.show(health)
        if over.wait(EVERY):
            return
