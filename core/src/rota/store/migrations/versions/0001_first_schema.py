"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None


def upgrade() -> None:  # noqa: PLR0915
    """Bring the schema from nothing to 0001."""
    op.create_table(
        "artifacts",
        sa.Column("uri", KEY, nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", KEY, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_artifacts")),
    )
    with op.batch_alter_table("artifacts", schema=None) as batch_op:
        batch_op.create_index("ix_artifacts_execution", ["execution_id", "path", "node"], unique=False)

    op.create_table(
        "attempts",
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", "path", "node", "attempt", name=op.f("pk_attempts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("action", KEY, nullable=False),
        sa.Column("object", KEY, nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_object", ["object", "id"], unique=False)

    op.create_table(
        "backfills",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("flow", KEY, nullable=False),
        sa.Column("trigger", KEY, nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("position_at", sa.Double(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=True),
        sa.Column("max_running", sa.Integer(), nullable=False),
        sa.Column("per_minute", sa.Double(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backfills")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("backfills", schema=None) as batch_op:
        batch_op.create_index("ix_backfills_flow", ["namespace", "flow", "id"], unique=False)

    op.create_table(
        "commands",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("applied_at", sa.Double(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("commands", schema=None) as batch_op:
        batch_op.create_index("ix_commands_execution", ["execution_id"], unique=False)
        batch_op.create_index(
            "ix_commands_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("applied_at IS NULL"),
            postgresql_where=sa.text("applied_at IS NULL"),
        )

    op.create_table(
        "conductors",
        sa.Column("id", KEY, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_start", sa.Double(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conductors")),
    )
    op.create_table(
        "cursors",
        sa.Column("name", KEY, nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "execution_labels",
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("value", KEY, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "name", name=op.f("pk_execution_labels")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("execution_labels", schema=None) as batch_op:
        batch_op.create_index("ix_execution_labels_value", ["name", "value", "execution_id"], unique=False)

    op.create_table(
        "files",
        sa.Column("sha256", KEY, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_files")),
    )
    op.create_table(
        "firings",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("flow", KEY, nullable=False),
        sa.Column("trigger", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "flow", "trigger", "kind", "key", name=op.f("pk_firings")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("firings", schema=None) as batch_op:
        batch_op.create_index("ix_firings_created", ["created_at"], unique=False)

    op.create_table(
        "iterations",
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("item", sa.Text(), nullable=True),
        sa.Column("lock_key", KEY, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("collected", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", "path", "node", "idx", name=op.f("pk_iterations")),
        sa.UniqueConstraint(
            "execution_id", "path", "node", "key", name=op.f("uq_iterations_execution_id_path_node_key")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kv",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "key", name=op.f("pk_kv")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "leases",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("leases", schema=None) as batch_op:
        batch_op.create_index("ix_leases_execution", ["execution_id"], unique=False)
        batch_op.create_index("ix_leases_expiry", ["state", "expires_at"], unique=False)

    op.create_table(
        "locks",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("root_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("inside", sa.Text(), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("granted_at", sa.Double(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locks")),
        sa.UniqueConstraint("execution_id", "path", "node", "idx", name=op.f("uq_locks_execution_id_path_node_idx")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("locks", schema=None) as batch_op:
        batch_op.create_index("ix_locks_queue", ["key", "id"], unique=False)
        batch_op.create_index("ix_locks_root", ["root_id"], unique=False)

    op.create_table(
        "logs",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logs")),
    )
    with op.batch_alter_table("logs", schema=None) as batch_op:
        batch_op.create_index("ix_logs_execution", ["execution_id", "id"], unique=False)

    op.create_table(
        "meta",
        sa.Column("key", KEY, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "metrics",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metrics")),
    )
    with op.batch_alter_table("metrics", schema=None) as batch_op:
        batch_op.create_index("ix_metrics_execution", ["execution_id", "id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_order", ["transaction_id", "id"], unique=False)

    op.create_table(
        "revisions",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("flow", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("draft", sa.Boolean(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("checksum", KEY, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revisions")),
        sa.UniqueConstraint("namespace", "flow", "number", name=op.f("uq_revisions_namespace_flow_number")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("revisions", schema=None) as batch_op:
        batch_op.create_index("ix_revisions_checksum", ["namespace", "flow", "checksum"], unique=False)

    op.create_table(
        "task_runs",
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.Column("plugin", sa.Text(), nullable=True),
        sa.Column("pid", sa.Text(), nullable=True),
        sa.Column("queued_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", "path", "node", name=op.f("pk_task_runs")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "task_state",
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", "path", "node", "key", name=op.f("pk_task_state")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "timers",
        sa.Column("execution_id", KEY, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("node", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "path", "node", "name", name=op.f("pk_timers")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "roles",
        sa.Column("name", KEY, nullable=False),
        sa.Column("holder", KEY, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_roles")),
    )
    op.create_table(
        "triggers",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("flow", KEY, nullable=False),
        sa.Column("trigger", KEY, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("anchor_at", sa.Double(), nullable=True),
        sa.Column("high_water_at", sa.Double(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("last_at", sa.Double(), nullable=True),
        sa.Column("execution_id", KEY, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "flow", "trigger", name=op.f("pk_triggers")),
    )
    with op.batch_alter_table("triggers", schema=None) as batch_op:
        batch_op.create_index("ix_triggers_next", ["next_at"], unique=False)

    op.create_table(
        "executions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("flow", KEY, nullable=False),
        sa.Column("revision_id", ID, nullable=True),
        sa.Column("state", KEY, nullable=False),
        sa.Column("run", sa.Integer(), server_default="1", nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("owner", KEY, nullable=True),
        sa.Column("parent_id", KEY, nullable=True),
        sa.Column("parent_path", KEY, nullable=True),
        sa.Column("parent_node", KEY, nullable=True),
        sa.Column("root_id", KEY, nullable=False),
        sa.Column("place_key", KEY, nullable=True),
        sa.Column("inputs", sa.Text(), nullable=True),
        sa.Column("variables", sa.Text(), nullable=True),
        sa.Column("labels", sa.Text(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("outputs", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("language", sa.Integer(), nullable=False),
        sa.Column("adoptions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("author", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name=op.f("fk_executions_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
    )
    with op.batch_alter_table("executions", schema=None) as batch_op:
        batch_op.create_index("ix_executions_flow", ["namespace", "flow", "created_at", "id"], unique=False)
        batch_op.create_index("ix_executions_listed", ["created_at", "id", "namespace", "flow", "state"], unique=False)
        batch_op.create_index(
            "ix_executions_owner",
            ["owner", "created_at", "id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index("ix_executions_parent", ["parent_id"], unique=False)
        batch_op.create_index(
            "ix_executions_place",
            ["namespace", "flow", "place_key", "state", "created_at", "id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index("ix_executions_revision", ["revision_id"], unique=False)
        batch_op.create_index("ix_executions_root", ["root_id"], unique=False)
        batch_op.create_index("ix_executions_state", ["state", "created_at", "id"], unique=False)

    op.create_table(
        "flows",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("revision_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["revision_id"], ["revisions.id"], name=op.f("fk_flows_revision_id")),
        sa.PrimaryKeyConstraint("namespace", "id", name=op.f("pk_flows")),
    )
    op.create_table(
        "conditions",
        sa.Column("kind", KEY, nullable=False),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("momentary", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("raised_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("cleared_at", sa.Double(), nullable=True),
        sa.Column("handled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_conditions")),
    )
    with op.batch_alter_table("conditions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_conditions_new",
            ["kind", "subject"],
            unique=False,
            sqlite_where=sa.text("NOT handled"),
            postgresql_where=sa.text("NOT handled"),
        )

    op.create_table(
        "incidents",
        sa.Column("id", KEY, nullable=False),
        sa.Column("rule", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("flow", KEY, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("execution_id", KEY, nullable=True),
        sa.Column("labels", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.Column("pending", sa.Text(), nullable=True),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("told", KEY, nullable=True),
        sa.Column("told_closed", KEY, nullable=True),
        sa.Column("silence_id", ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index(
            "ix_incidents_open",
            ["rule", "kind", "key"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index("ix_incidents_opened", ["opened_at", "id"], unique=False)
        batch_op.create_index(
            "ix_incidents_pending",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("pending IS NOT NULL"),
            postgresql_where=sa.text("pending IS NOT NULL"),
        )
        batch_op.create_index("ix_incidents_told", ["told"], unique=False)
        batch_op.create_index("ix_incidents_told_closed", ["told_closed"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", KEY, nullable=False),
        sa.Column("message", KEY, nullable=False),
        sa.Column("sink", KEY, nullable=False),
        sa.Column("rule", KEY, nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=True),
        sa.Column("last_at", sa.Double(), nullable=True),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("merged_into", KEY, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_created", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_deliveries_message", ["message"], unique=False)
        batch_op.create_index(
            "ix_deliveries_queued",
            ["sink", "next_at"],
            unique=False,
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )
        batch_op.create_index("ix_deliveries_sent", ["sink", "sent_at"], unique=False)

    op.create_table(
        "silences",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("flow", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("labels", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("silences", schema=None) as batch_op:
        batch_op.create_index("ix_silences_ends", ["ends_at"], unique=False)
