"""The first tables: alerts, rule health, incidents, deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alerts",
        sa.Column("rule_id", sa.String, primary_key=True),
        sa.Column("fingerprint", sa.String(32), primary_key=True),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("annotations", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("active_at", sa.Float, nullable=False),
        sa.Column("fired_at", sa.Float),
        sa.Column("keep_firing_since", sa.Float),
        sa.Column("resolved_at", sa.Float),
        sa.Column("expr", sa.Text, nullable=False),
    )
    op.create_table(
        "rule_health",
        sa.Column("rule_id", sa.String, primary_key=True),
        sa.Column("failing_since", sa.Float),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("settled_at", sa.Float, nullable=False),
    )
    _create_incidents()
    _create_deliveries()


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("dedup_key", sa.String(64), primary_key=True),
        sa.Column("episode", sa.Integer, primary_key=True),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("group_labels", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("flush_at", sa.Float),
        sa.Column("notified_at", sa.Float),
        sa.Column("notified_firing", sa.Text, nullable=False),
        sa.Column("notifications", sa.Integer, nullable=False),
        sa.Column("resolved_at", sa.Float),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
    )
    op.create_index("incidents_by_time", "incidents", ["opened_at"])


def _create_deliveries() -> None:
    big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "deliveries",
        sa.Column("seq", big, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("integration", sa.String, nullable=False),
        sa.Column("dedup_key", sa.String(64), nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("severity_rank", sa.Integer, nullable=False),
        sa.Column("notification", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("next_attempt_at", sa.Float, nullable=False),
        sa.Column("claimed_until", sa.Float, nullable=False),
        sa.Column("settled_at", sa.Float),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_index("deliveries_in_order", "deliveries", ["state", "integration", "dedup_key", "seq"])
    op.create_index("deliveries_of_incident", "deliveries", ["dedup_key", "episode"])


def downgrade() -> None:
    """Drop the tables."""
    for name in ("deliveries", "incidents", "rule_health", "alerts"):
        op.drop_table(name)
