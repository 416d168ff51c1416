"""What `rota serve` runs: the conductor for deployed flows, the outbox's readers, and the services of plugins."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from rota.settings import validate_section

if TYPE_CHECKING:
    from rota.extensions import Service
    from rota.server.application import Application

logger = logging.getLogger("rota.server")
SERVICES_END = 5.0
"""Seconds that services have to end, before the store is closed under them."""
RESTART_AFTER = 5.0
"""Seconds until a service that failed is started again."""


def serve(app: Application, stop: threading.Event) -> None:
    """Run until `stop` is set, then drain. Raises whatever keeps the server from running."""
    from rota.server.announcing import Announcer

    services = list(_services(app))
    conductor = app.conductor(server=True)
    logger.info("serving as %s", conductor.id)
    threads = [
        threading.Thread(target=_keep_up, args=(app, name, service, stop), name=f"rota-{name}", daemon=True)
        for name, service in services
    ]
    announcing = (stop, conductor.announced)
    threads.append(threading.Thread(target=Announcer(app).run, args=announcing, name="rota-announcer", daemon=True))
    for thread in threads:
        thread.start()
    try:
        while not stop.wait(0.5):
            if conductor.failure is not None:
                raise conductor.failure
    finally:
        stop.set()
        conductor.announced.set()
        logger.info("draining")
        patience = time.monotonic() + SERVICES_END
        for thread in threads:
            thread.join(max(0.0, patience - time.monotonic()))
        app.close(drain=None)
        logger.info("stopped")


def _services(app: Application) -> list[tuple[str, Service]]:
    found: list[tuple[str, Service]] = []
    for name, cls in app.plugins.service_types().items():
        section = name.partition(".")[0]
        fields = app.settings.sections.get(section)
        if fields is None:
            continue
        found.append((name, validate_section(app.settings, (section,), fields, cls)))
    return found


def _keep_up(app: Application, name: str, service: Service, stop: threading.Event) -> None:
    """Run a service, and again after it has failed, until `stop` is set."""
    while not stop.is_set():
        try:
            service.serve(app, stop)
        except Exception:
            logger.exception("the service `%s` failed; it is started again in %g s", name, RESTART_AFTER)
        else:
            if stop.is_set():
                return
            logger.warning("the service `%s` has ended by itself", name)
        stop.wait(RESTART_AFTER)
