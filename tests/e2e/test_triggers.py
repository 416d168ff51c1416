"""The polling triggers of all plugins on real servers, under a server of Rota that is killed again and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rota.flows.loader import parse_flow
from rota.server.application import Application
from tests.lab.inventory_api import InventoryApi
from tests.lab.s3 import S3
from tests.lab.sshd import Sshd

ROUNDS = 3
PATIENCE = 90.0


class Watch:
    """An application on a home of its own, a flow for each trigger, and a server that is there or not."""

    def __init__(self, folder: Path) -> None:
        self._settings = folder / "rota.yaml"
        self._settings.write_text(json.dumps({"home": str(folder / "home"), "durability": "process", "lease": "1s"}))
        self.app = Application.open(self._settings)
        self.app.maintenance.make_key()

    def deploy(self, name: str, fields: dict[str, Any]) -> None:
        """Deploy a flow that takes what a trigger sees."""
        trigger = {"id": "look", "interval": "1s", **fields}
        message = "{{ trigger.event | to_json }}"
        tasks = [{"id": "say", "type": "log", "message": message}]
        self.app.flows.deploy(parse_flow(json.dumps({"id": name, "triggers": [trigger], "tasks": tasks})))

    @contextmanager
    def served(self) -> Iterator[None]:
        """Run a server, and kill it at the end."""
        argv = [sys.executable, "-m", "rota", "--settings", str(self._settings), "serve"]
        log = self._settings.with_name("serve.log").open("ab")
        with log, subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True, env={**os.environ}) as server:
            try:
                yield
            finally:
                server.kill()

    def events(self, flow: str) -> list[dict[str, Any]]:
        """Return what the executions of a flow were started with."""
        rows = self.app.executions.list(flow=flow, limit=1000)
        return [self.app.executions.get(row["id"])["trigger"]["event"] for row in rows]

    def looks(self, flow: str) -> bool:
        """Say whether the trigger of a flow has a memory: whether it has looked at its source."""
        from rota.store import triggers

        with self.app.store.read() as conn:
            row = triggers.get(conn, "default", flow, "look")
        return bool(row and row["state"])

    def until(self, condition: Callable[[], object], what: str) -> None:
        limit = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > limit:
                errors = {row["flow"]: row["last_error"] for row in self.app.triggers.list()}
                raise AssertionError(f"{what}: {errors}\n{self._settings.with_name('serve.log').read_text()[-3000:]}")
            time.sleep(0.05)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    with made.app:
        yield made


@pytest.mark.timeout(300)
def test_what_appears_anywhere_starts_its_flow_once_though_servers_are_killed(
    watch: Watch, tmp_path: Path, s3: S3, s3_bucket: str, mongodb_uri: str, mongodb_database: str,
    inventory_api: InventoryApi, sshd: Sshd,
) -> None:  # fmt: skip
    from pymongo import MongoClient

    incoming = tmp_path / "incoming"
    incoming.mkdir()
    who, place = s3.identities["admin"], {"uri": mongodb_uri, "database": mongodb_database, "collection": "orders"}
    key = sshd.key.private.read_text()
    flows: dict[str, dict[str, Any]] = {
        "objects": {
            "type": "objectstore.object_created", "uri": f"s3://{s3_bucket}/in/", "endpoint": s3.url,
            "allow_http": True, "region": s3.region, "access_key": who.access_key, "secret_key": who.secret_key,
        },
        "documents": {"type": "mongo.query", **place},
        "changes": {"type": "mongo.change_stream", **place},
        "files": {
            "type": "ssh.file_appeared", "host": "127.0.0.1", "port": sshd.port, "user": sshd.user, "private_key": key,
            "known_hosts": str(sshd.known_hosts), "path": f"{incoming}/*.csv", "stable_for": "1s",
        },
        "answers": {"type": "http.changed", "url": f"{inventory_api.url}/clusters", "token": inventory_api.token},
    }  # fmt: skip
    for name, fields in flows.items():
        watch.deploy(name, fields)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        orders = client[mongodb_database]["orders"]
        orders.insert_one({"_id": -1})
        with watch.served():
            watch.until(lambda: all(watch.looks(name) for name in flows), "every trigger looks at its source")
        for number in range(ROUNDS):
            with watch.served():
                s3.client().put_object(Bucket=s3_bucket, Key=f"in/{number}", Body=b"x" * (number + 1))
                orders.insert_one({"_id": number})
                (incoming / f"{number}.csv").write_text("x" * (number + 1))
                inventory_api.set_clusters([{"name": f"db-{number}"}])
                for name in flows:
                    # The server dies as soon as the last has been taken, in whatever it does then.
                    watch.until(lambda name=name, number=number: len(watch.events(name)) > number, name)  # type: ignore[misc]
        assert sorted(event["name"] for event in watch.events("objects")) == ["0", "1", "2"]
        assert sorted(event["_id"] for event in watch.events("documents")) == [0, 1, 2]
        assert sorted(event["documentKey"]["_id"] for event in watch.events("changes")) == [0, 1, 2]
        assert sorted(event["name"] for event in watch.events("files")) == ["0.csv", "1.csv", "2.csv"]
        names = [event["json"]["items"][0]["name"] for event in watch.events("answers")]
        assert sorted(names) == ["db-0", "db-1", "db-2"]
