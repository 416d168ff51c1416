"""A process whose memory is measured: it takes its order from stdin and prints what it found as JSON."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench.processes import memory

MEGABYTE = 1 << 20
STARTS = 10
"""Seconds after which a server has begun, and has looked at each schedule once."""


def main() -> None:
    """Carry out the order."""
    order = json.load(sys.stdin)
    found = {"idle": _idle, "fleet": _fleet, "libraries": _libraries}[order["what"]](order)
    print(json.dumps(found))


def _libraries(order: dict[str, Any]) -> dict[str, float]:
    import jinja2  # noqa: F401
    import pydantic  # noqa: F401
    import sqlalchemy  # noqa: F401
    import yaml  # noqa: F401

    if order["store"].startswith("postgresql"):
        import psycopg  # noqa: F401
    return {"rss": memory("VmRSS")}


def _idle(order: dict[str, Any]) -> dict[str, float]:
    app = _application(order)
    statements, stop = _count_statements(), threading.Event()
    found: dict[str, float] = {}

    def look() -> None:
        time.sleep(STARTS)
        before, used = next(statements), time.process_time()
        time.sleep(order["number"])
        found["statements"] = (next(statements) - before - 1) / order["number"]
        found["core"] = 100 * (time.process_time() - used) / order["number"]
        found["rss"] = memory("VmRSS")
        stop.set()

    threading.Thread(target=look).start()
    app.serve(stop)
    return found


def _fleet(order: dict[str, Any]) -> dict[str, float]:
    from rota.flows.loader import parse_flow

    source = (
        "id: fleet\ntasks:\n  - id: all\n    type: fleet\n"
        f"    targets: '{{{{ range({order['number']}) | list }}}}'\n"
        '    key: "t{{ target }}"\n    rollout: {max_parallel: 100}\n'
        "    tasks:\n      - {id: one, type: output, values: {name: '{{ target }}'}}\n"
        "    collect: {name: outputs.one.name}\n"
    )
    app = _application(order)
    with app:
        began = time.perf_counter()
        row = app.executions.wait(app.executions.run_file(parse_flow(source), {}), 300)
        seconds = time.perf_counter() - began
    assert row is not None
    assert row["state"] == "success", row
    return {"rss": memory(), "seconds": seconds}


def _application(order: dict[str, Any]) -> Any:
    from rota.server.application import Application
    from rota.settings import Settings

    app = Application(Settings(home=Path(order["home"]), store=order["store"], durability=order["durability"]))
    if not app.settings.secret_key_file.exists():
        app.maintenance.make_key()
    return app


def _count_statements() -> itertools.count[int]:
    """Count what goes to the database: by SQLite's own account, and by SQLAlchemy's for others."""
    import sqlalchemy as sa

    counter = itertools.count()

    def opened(connection: Any, _: Any) -> None:
        if hasattr(connection, "set_trace_callback"):
            connection.set_trace_callback(lambda _: next(counter))

    def executed(conn: sa.Connection, *_: Any) -> None:
        if conn.dialect.name != "sqlite":
            next(counter)

    sa.event.listen(sa.pool.Pool, "connect", opened)
    sa.event.listen(sa.Engine, "before_cursor_execute", executed)
    return counter


if __name__ == "__main__":
    main()
