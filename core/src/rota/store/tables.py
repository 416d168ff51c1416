"""Every table. Columns named `*_at` hold seconds since 1970, UTC; JSON is text; no row is a whole execution."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from rota.store.columns import Id, Json, Key, Time

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key(name: str, **options: Any) -> Column[str]:
    return Column(name, Key, nullable=False, **options)


def _node() -> tuple[Column[str], Column[str], Column[str]]:
    """The columns that name a node: its execution, the path of its frame, its id in it."""
    return _key("execution_id"), _key("path"), _key("node")


def _number() -> Column[int]:
    return Column("id", Id, Identity(), primary_key=True)


def _at(name: str, *, nullable: bool = True) -> Column[float]:
    return Column(name, Time, nullable=nullable)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index over some rows only.

    `postgresql_where` would load SQLAlchemy's dialect of PostgreSQL where only SQLite is used: migrations, which make
    the tables there, take it from `info`.
    """
    return Index(name, *columns, unique=unique, sqlite_where=text(where), info={"where": where})


def _alive(name: str, *columns: str) -> Index:
    """An index over the executions that have not ended, which are few."""
    return _partial(name, *columns, where="ended_at IS NULL")


# --- the database itself ----------------------------------------------------------------------------

alembic_version = Table("alembic_version", metadata, Column("version_num", String(32), nullable=False))
alembic_version.append_constraint(PrimaryKeyConstraint("version_num", name="alembic_version_pkc"))

meta = Table("meta", metadata, _key("key", primary_key=True), Column("value", Text, nullable=False))

# What only one conductor does at a time; it is free once its holder is not alive any more.
roles = Table("roles", metadata, _key("name", primary_key=True), _key("holder"))

conductors = Table(
    "conductors",
    metadata,
    _key("id", primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_start", Time, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
    _at("expires_at"),
    Column("version", Text, nullable=False),
    _at("started_at", nullable=False),
    Column("state", Text, nullable=False),
)

# --- flows ------------------------------------------------------------------------------------------

revisions = Table(
    "revisions",
    metadata,
    _number(),
    _key("namespace"),
    _key("flow"),
    Column("number", Integer),
    Column("source", Text, nullable=False),
    Column("files", Json, nullable=False),
    Column("draft", Boolean, nullable=False),
    Column("author", Text, nullable=False),
    _key("checksum"),
    _at("created_at", nullable=False),
    UniqueConstraint("namespace", "flow", "number"),
    Index("ix_revisions_checksum", "namespace", "flow", "checksum"),
    sqlite_autoincrement=True,
)

flows = Table(
    "flows",
    metadata,
    _key("namespace"),
    _key("id"),
    Column("revision_id", Id, ForeignKey("revisions.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("disabled", Boolean, nullable=False),
    _at("deleted_at"),
    _at("created_at", nullable=False),
    _at("updated_at", nullable=False),
    PrimaryKeyConstraint("namespace", "id"),
)

files = Table(
    "files",
    metadata,
    _key("sha256", primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# --- executions -------------------------------------------------------------------------------------

executions = Table(
    "executions",
    metadata,
    _key("id", primary_key=True),
    _key("namespace"),
    _key("flow"),
    Column("revision_id", Id, ForeignKey("revisions.id")),
    _key("state"),
    Column("run", Integer, nullable=False, server_default="1"),
    Column("mode", Text, nullable=False),
    Column("owner", Key),
    Column("parent_id", Key),
    Column("parent_path", Key),
    Column("parent_node", Key),
    _key("root_id"),
    Column("place_key", Key),
    Column("inputs", Json),
    Column("variables", Json),
    Column("labels", Json),
    Column("trigger", Json),
    Column("problem", Json),
    Column("outputs", Json),
    _at("created_at", nullable=False),
    _at("started_at"),
    _at("ended_at"),
    Column("language", Integer, nullable=False),
    Column("adoptions", Integer, nullable=False, server_default="0"),
    Column("author", Text),
    # Lists, newest first: this one holds all that lists are filtered by, so that a filter reads no rows.
    Index("ix_executions_listed", "created_at", "id", "namespace", "flow", "state"),
    Index("ix_executions_flow", "namespace", "flow", "created_at", "id"),
    Index("ix_executions_state", "state", "created_at", "id"),
    Index("ix_executions_parent", "parent_id"),
    Index("ix_executions_root", "root_id"),
    Index("ix_executions_revision", "revision_id"),
    _alive("ix_executions_owner", "owner", "created_at", "id"),
    _alive("ix_executions_place", "namespace", "flow", "place_key", "state", "created_at", "id"),
)

execution_labels = Table(
    "execution_labels",
    metadata,
    _key("execution_id"),
    _key("name"),
    _key("value"),
    PrimaryKeyConstraint("execution_id", "name"),
    Index("ix_execution_labels_value", "name", "value", "execution_id"),
    sqlite_with_rowid=False,
)

task_runs = Table(
    "task_runs",
    metadata,
    *_node(),
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("phase", Text, nullable=False),
    Column("problem", Json),
    Column("data", Json),
    Column("output", Text),
    Column("progress", Json),
    Column("plugin", Text),
    Column("pid", Json),
    _at("queued_at"),
    _at("started_at"),
    _at("ended_at"),
    PrimaryKeyConstraint("execution_id", "path", "node"),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    *_node(),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("problem", Json),
    _at("started_at"),
    _at("ended_at"),
    PrimaryKeyConstraint("execution_id", "path", "node", "attempt"),
    sqlite_with_rowid=False,
)

iterations = Table(
    "iterations",
    metadata,
    *_node(),
    Column("idx", Integer, nullable=False),
    _key("key"),
    Column("item", Json),
    Column("lock_key", Key),
    Column("state", Text, nullable=False),
    Column("problem", Json),
    Column("collected", Json),
    _at("started_at"),
    _at("ended_at"),
    PrimaryKeyConstraint("execution_id", "path", "node", "idx"),
    UniqueConstraint("execution_id", "path", "node", "key"),
    sqlite_with_rowid=False,
)

timers = Table(
    "timers",
    metadata,
    *_node(),
    _key("name"),
    _at("due_at", nullable=False),
    PrimaryKeyConstraint("execution_id", "path", "node", "name"),
    sqlite_with_rowid=False,
)

locks = Table(
    "locks",
    metadata,
    _number(),
    _key("key"),
    _key("execution_id"),
    _key("root_id"),
    _key("path"),
    _key("node"),
    # The iteration that asks; -1 is the node itself, so that the constraint below holds for it too.
    Column("idx", Integer, nullable=False),
    # The requests of its ancestors, by number: they cannot be released before this one is.
    Column("inside", Json),
    Column("held", Boolean, nullable=False),
    _at("asked_at", nullable=False),
    _at("granted_at"),
    _at("expires_at"),
    Index("ix_locks_queue", "key", "id"),
    Index("ix_locks_root", "root_id"),
    UniqueConstraint("execution_id", "path", "node", "idx"),
    sqlite_autoincrement=True,
)

commands = Table(
    "commands",
    metadata,
    _number(),
    _key("execution_id"),
    Column("kind", Text, nullable=False),
    Column("payload", Json),
    Column("author", Text, nullable=False),
    _at("created_at", nullable=False),
    _at("applied_at"),
    Column("result", Json),
    Index("ix_commands_execution", "execution_id"),
    _partial("ix_commands_open", "id", where="applied_at IS NULL"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    _number(),
    # Numbers are handed out before their transaction commits: on PostgreSQL readers go by the transaction first.
    Column("transaction_id", BigInteger, nullable=False, server_default="0"),
    _key("execution_id"),
    Column("run", Integer, nullable=False),
    Column("state", Text, nullable=False),
    _at("created_at", nullable=False),
    Index("ix_outbox_order", "transaction_id", "id"),
    sqlite_autoincrement=True,
)

cursors = Table("cursors", metadata, _key("name", primary_key=True), Column("position", Text, nullable=False))

logs = Table(
    "logs",
    metadata,
    _number(),
    *_node(),
    Column("attempt", Integer, nullable=False),
    _at("at", nullable=False),
    Column("level", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("fields", Json),
    Index("ix_logs_execution", "execution_id", "id"),
)

metrics = Table(
    "metrics",
    metadata,
    _number(),
    *_node(),
    Column("attempt", Integer, nullable=False),
    _at("at", nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("tags", Json),
    Index("ix_metrics_execution", "execution_id", "id"),
)

task_state = Table(
    "task_state",
    metadata,
    *_node(),
    _key("key"),
    Column("value", Json),
    PrimaryKeyConstraint("execution_id", "path", "node", "key"),
    sqlite_with_rowid=False,
)

artifacts = Table(
    "artifacts",
    metadata,
    _key("uri", primary_key=True),
    *_node(),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    _key("sha256"),
    _at("created_at", nullable=False),
    Index("ix_artifacts_execution", "execution_id", "path", "node"),
)

leases = Table(
    "leases",
    metadata,
    _number(),
    _key("execution_id"),
    Column("backend", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("lease", Text, nullable=False),
    _at("expires_at"),
    Column("state", Text, nullable=False),
    Index("ix_leases_execution", "execution_id"),
    Index("ix_leases_expiry", "state", "expires_at"),
    sqlite_autoincrement=True,
)

# --- beside executions ------------------------------------------------------------------------------

kv = Table(
    "kv",
    metadata,
    _key("namespace"),
    _key("key"),
    Column("value", Json),
    _at("expires_at"),
    _at("updated_at", nullable=False),
    PrimaryKeyConstraint("namespace", "key"),
    sqlite_with_rowid=False,
)

triggers = Table(
    "triggers",
    metadata,
    _key("namespace"),
    _key("flow"),
    _key("trigger"),
    Column("type", Text, nullable=False),
    # What of its definition makes it another trigger: as long as this is the same, its memory is kept.
    Column("fingerprint", Text, nullable=False),
    # The switch that people and `stop_after` turn; a flow's own `disabled` leaves `next_at` empty.
    Column("enabled", Boolean, nullable=False),
    _at("anchor_at"),
    _at("high_water_at"),
    Column("state", Json),
    _at("next_at"),
    _at("last_at"),
    Column("execution_id", Key),
    Column("failures", Integer, nullable=False),
    Column("last_error", Text),
    _at("updated_at", nullable=False),
    PrimaryKeyConstraint("namespace", "flow", "trigger"),
    Index("ix_triggers_next", "next_at"),
)

firings = Table(
    "firings",
    metadata,
    _key("namespace"),
    _key("flow"),
    _key("trigger"),
    _key("kind"),
    _key("key"),
    _key("execution_id"),
    _at("created_at", nullable=False),
    PrimaryKeyConstraint("namespace", "flow", "trigger", "kind", "key"),
    Index("ix_firings_created", "created_at"),
    sqlite_with_rowid=False,
)

backfills = Table(
    "backfills",
    metadata,
    _number(),
    _key("namespace"),
    _key("flow"),
    _key("trigger"),
    _at("since", nullable=False),
    _at("until", nullable=False),
    # The last date that was dealt with.
    _at("position_at"),
    Column("scope", Text, nullable=False),
    Column("inputs", Json),
    Column("max_running", Integer, nullable=False),
    Column("per_minute", Double),
    Column("state", Text, nullable=False),
    Column("started", Integer, nullable=False),
    Column("last_error", Text),
    _at("next_at"),
    Column("author", Text, nullable=False),
    _at("created_at", nullable=False),
    _at("ended_at"),
    Index("ix_backfills_flow", "namespace", "flow", "id"),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    _number(),
    _at("at", nullable=False),
    Column("author", Text, nullable=False),
    _key("action"),
    _key("object"),
    Column("details", Json),
    Index("ix_audit_object", "object", "id"),
    sqlite_autoincrement=True,
)

# --- alerts -----------------------------------------------------------------------------------------

conditions = Table(
    "conditions",
    metadata,
    _key("kind"),
    _key("subject"),
    Column("namespace", Text, nullable=False),
    Column("flow", Text, nullable=False),
    Column("message", Text, nullable=False),
    # What happened once, and cannot get well again.
    Column("momentary", Boolean, nullable=False),
    Column("count", Integer, nullable=False),
    _at("raised_at", nullable=False),
    _at("last_at", nullable=False),
    _at("cleared_at"),
    Column("handled", Boolean, nullable=False),
    PrimaryKeyConstraint("kind", "subject"),
    _partial("ix_conditions_new", "kind", "subject", where="NOT handled"),
)

incidents = Table(
    "incidents",
    metadata,
    _key("id", primary_key=True),
    _key("rule"),
    _key("kind"),
    _key("key"),
    _key("namespace"),
    _key("flow"),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("execution_id", Key),
    Column("labels", Json),
    Column("details", Json),
    Column("count", Integer, nullable=False),
    _at("opened_at", nullable=False),
    _at("last_at", nullable=False),
    _at("closed_at"),
    # What people are to be told, and when: `open`, `closed`, or nothing.
    Column("pending", Text),
    _at("due_at"),
    Column("told", Key),
    Column("told_closed", Key),
    Column("silence_id", Id),
    Index("ix_incidents_opened", "opened_at", "id"),
    _partial("ix_incidents_open", "rule", "kind", "key", where="closed_at IS NULL", unique=True),
    _partial("ix_incidents_pending", "due_at", where="pending IS NOT NULL"),
    Index("ix_incidents_told", "told"),
    Index("ix_incidents_told_closed", "told_closed"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _key("id", primary_key=True),
    _key("message"),
    _key("sink"),
    _key("rule"),
    Column("alert", Json, nullable=False),
    _key("state"),
    Column("attempts", Integer, nullable=False),
    _at("created_at", nullable=False),
    _at("next_at"),
    _at("last_at"),
    _at("sent_at"),
    Column("last_error", Text),
    Column("merged_into", Key),
    Index("ix_deliveries_message", "message"),
    Index("ix_deliveries_created", "created_at", "id"),
    _partial("ix_deliveries_queued", "sink", "next_at", where="state = 'queued'"),
    Index("ix_deliveries_sent", "sink", "sent_at"),
)

silences = Table(
    "silences",
    metadata,
    _number(),
    Column("namespace", Text),
    Column("flow", Text),
    Column("rule", Text),
    Column("kind", Text),
    Column("labels", Json),
    _at("starts_at", nullable=False),
    _at("ends_at", nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    _at("created_at", nullable=False),
    Index("ix_silences_ends", "ends_at"),
    sqlite_autoincrement=True,
)
