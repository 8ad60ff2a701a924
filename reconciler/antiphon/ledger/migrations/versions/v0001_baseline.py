"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "absence",
        sa.Column("side", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("rid", TEXT, nullable=False),
        sa.Column("reads", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pending", sa.Boolean(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("side", "entity", "rid"),
    )
    op.create_table(
        "audit",
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("field", TEXT, nullable=True),
        sa.Column("old", TEXT, nullable=False),
        sa.Column("new", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("op_id", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("old_digest", TEXT, nullable=False),
        sa.Column("new_digest", TEXT, nullable=False),
        sa.Column("chain", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("audit_lid", "audit", ["lid"])
    op.create_index("audit_run", "audit", ["run_id"])
    op.create_table(
        "base",
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("fields", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("lid"),
    )
    op.create_table(
        "conflict",
        sa.Column("cid", TEXT, nullable=False),
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("field", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("values", TEXT, nullable=False),
        sa.Column("base", TEXT, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("policy", TEXT, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decision", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("cid"),
    )
    op.create_index("conflict_lid", "conflict", ["lid"])
    op.create_index("conflict_state", "conflict", ["state"])
    op.create_table(
        "cursor",
        sa.Column("side", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("low_water", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("read_started", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("read_ended", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("full_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pending_full", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("known", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seen", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("planned", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("schema", TEXT, nullable=True),
        sa.Column("uuids", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("side", "entity"),
    )
    op.create_table(
        "erasure",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "fingerprint",
        sa.Column("side", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("skew_least", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("skew_most", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("side"),
    )
    op.create_table(
        "instance",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mapping_version", TEXT, nullable=False),
        sa.Column("scope_version", TEXT, nullable=False),
        sa.Column("canon_version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_head", TEXT, nullable=False),
        sa.Column("secret", TEXT, nullable=False),
        sa.Column("deletes_blocked", TEXT, nullable=False),
        sa.Column("blocked_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "link",
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sync_key", TEXT, nullable=False),
        sa.Column("match_rule", TEXT, nullable=False),
        sa.Column("alias_of", TEXT, nullable=True),
        sa.Column("closed", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("closed_reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("lid"),
    )
    op.create_index("link_alias", "link", ["alias_of"])
    op.create_index("link_state", "link", ["entity", "state"])
    op.create_index("link_sync_key", "link", ["sync_key"], unique=True)
    op.create_table(
        "match_key",
        sa.Column("side", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("rid", TEXT, nullable=False),
        sa.Column("rule", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("side", "entity", "rid", "rule"),
        sqlite_with_rowid=False,
    )
    op.create_index("match_key_key", "match_key", ["entity", "side", "rule", "key"])
    op.create_table(
        "member",
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("rid", TEXT, nullable=False),
        sa.Column("held", sa.Boolean(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("lid", "side", "rid"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "member_holder",
        "member",
        ["side", "entity", "rid"],
        unique=True,
        sqlite_where=sa.text("held = 1"),
        postgresql_where=sa.text("held = true"),
    )
    op.create_table(
        "obs",
        sa.Column("side", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("rid", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("fields", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("read_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("complete_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("merged_into", TEXT, nullable=True),
        sa.Column("version", TEXT, nullable=True),
        sa.Column("birth", TEXT, nullable=True),
        sa.Column("dirty", TEXT, nullable=False),
        sa.Column("field_times", TEXT, nullable=False),
        sa.Column("error", TEXT, nullable=True),
        sa.Column("touched", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("line", TEXT, nullable=True),
        sa.Column("unseen", sa.Boolean(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("side", "entity", "rid"),
    )
    op.create_index("obs_live", "obs", ["side", "entity", "state", "rid", "hash", "line"])
    op.create_index(
        "obs_touched",
        "obs",
        ["side", "entity", "rid"],
        sqlite_where=sa.text("touched = 1"),
        postgresql_where=sa.text("touched = true"),
    )
    op.create_index(
        "obs_unseen",
        "obs",
        ["side", "entity", "rid"],
        sqlite_where=sa.text("unseen = 1"),
        postgresql_where=sa.text("unseen = true"),
    )
    op.create_table(
        "outbox",
        sa.Column("op_id", TEXT, nullable=False),
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("patch", TEXT, nullable=False),
        sa.Column("expect", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("reasons", TEXT, nullable=False),
        sa.Column("losers", TEXT, nullable=False),
        sa.Column("deps", TEXT, nullable=False),
        sa.Column("planned_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("attempt", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("not_before", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sent_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("acked_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("adds", TEXT, nullable=False),
        sa.Column("echoes", TEXT, nullable=False),
        sa.Column("contests", TEXT, nullable=False),
        sa.Column("redelivered", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("missed_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("op_id"),
    )
    op.create_index("outbox_acked", "outbox", ["lid", "side", "acked_at", "op_id"])
    op.create_index(
        "outbox_open",
        "outbox",
        ["lid"],
        sqlite_where=sa.text("state = 'planned' OR state = 'inflight' OR state = 'sent'"),
        postgresql_where=sa.text("state = 'planned' OR state = 'inflight' OR state = 'sent'"),
    )
    op.create_index("outbox_state", "outbox", ["side", "state"])
    op.create_table(
        "receipt",
        sa.Column("op_id", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("rid", TEXT, nullable=True),
        sa.Column("stored", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", TEXT, nullable=True),
        sa.Column("error", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("op_id"),
    )
    op.create_table(
        "receipt_file",
        sa.Column("path", TEXT, nullable=False),
        sa.Column("side", TEXT, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_table(
        "run",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("command", TEXT, nullable=False),
        sa.Column("started", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ended", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("counts", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_table(
        "tombstone",
        sa.Column("side", TEXT, nullable=False),
        sa.Column("entity", TEXT, nullable=False),
        sa.Column("rid", TEXT, nullable=False),
        sa.Column("lid", TEXT, nullable=False),
        sa.Column("birth", TEXT, nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("side", "entity", "rid"),
    )
