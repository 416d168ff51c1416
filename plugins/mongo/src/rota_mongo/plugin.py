"""What the plugin brings to Rota. This module only registers."""

from __future__ import annotations

from collections.abc import Iterable

from rota import Task, Trigger, hookimpl
from rota_mongo.bulk import BulkWrite
from rota_mongo.commands import Command, CreateIndex
from rota_mongo.exporting import Export
from rota_mongo.health import Health
from rota_mongo.importing import Import
from rota_mongo.query_trigger import Query
from rota_mongo.reading import Aggregate, Find
from rota_mongo.replica_set import StepDown, WaitForPrimary
from rota_mongo.rotation import RotatePassword
from rota_mongo.stats import Stats
from rota_mongo.stream_trigger import Changes
from rota_mongo.tools import Dump, Restore
from rota_mongo.users import CreateUser, Grant
from rota_mongo.writing import Delete, Insert, Replace, Update


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types, `mongo.find` and so on."""
    return [
        *(Find, Aggregate, Insert, Update, Replace, Delete, BulkWrite, Command, CreateIndex),
        *(Health, Stats, StepDown, WaitForPrimary, CreateUser, Grant, RotatePassword),
        *(Export, Import, Dump, Restore),
    ]


@hookimpl
def register_triggers() -> Iterable[type[Trigger]]:
    """Return the triggers, `mongo.query` and `mongo.change_stream`."""
    return [Query, Changes]
