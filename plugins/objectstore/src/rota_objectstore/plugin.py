"""What the plugin brings to Rota. This module only registers."""

from __future__ import annotations

from collections.abc import Iterable

from rota import ArtifactStore, Task, Trigger, hookimpl
from rota_objectstore.artifact_store import Bucket
from rota_objectstore.copy import Copy, Move
from rota_objectstore.delete import Delete
from rota_objectstore.get import Get
from rota_objectstore.listing import Exists, List
from rota_objectstore.object_created import ObjectCreated
from rota_objectstore.presign import Presign
from rota_objectstore.prune import Prune
from rota_objectstore.put import Put
from rota_objectstore.sync import Sync


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types; `Put` is `objectstore.put` in flows."""
    return [Put, Get, Copy, Move, Delete, List, Exists, Presign, Sync, Prune]


@hookimpl
def register_triggers() -> Iterable[type[Trigger]]:
    """Return the trigger `objectstore.object_created`."""
    return [ObjectCreated]


@hookimpl
def register_artifact_stores() -> Iterable[type[ArtifactStore]]:
    """Return the artifact store `objectstore.bucket`."""
    return [Bucket]
