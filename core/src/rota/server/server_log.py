"""The log of a server on stderr: lines for people, or a JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime

FORMATS = ("human", "json")


class HumanFormatter(logging.Formatter):
    """`2026-01-31T10:00:00.000+01:00 info rota.server: serving`, in the time of this machine."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the traceback where there is one."""
        at = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        text = f"{at} {record.levelname.lower()} {record.name}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message"}`, and `exception` with the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, in one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return json.dumps(values, ensure_ascii=False)


def log_to_stderr(format: str) -> None:
    """Write what this process has to say on stderr, in one of `FORMATS`: Rota's own, and warnings of libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else HumanFormatter())
    own = logging.getLogger("rota")
    own.handlers[:] = [handler]
    own.setLevel(min(logging.INFO, own.level or logging.INFO))
    own.propagate = False
    logging.getLogger().handlers[:] = [handler]
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread else "a thread"
    error = failed.exc_value or failed.exc_type()
    logging.getLogger("rota.server").error("%s has failed", name, exc_info=error)
