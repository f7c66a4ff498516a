"""The tables. Times are seconds since the epoch; label sets and notifications are JSON text."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA: Final = MetaData()

ALERTS: Final = Table(
    "alerts",
    METADATA,
    Column("rule_id", String, primary_key=True),
    Column("fingerprint", String(32), primary_key=True),
    Column("labels", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("value", Text, nullable=False),  # text: SQLite turns NaN into NULL
    Column("active_at", Float, nullable=False),
    Column("fired_at", Float),
    Column("keep_firing_since", Float),
    Column("resolved_at", Float),
    Column("expr", Text, nullable=False),
)

RULE_HEALTH: Final = Table(
    "rule_health",
    METADATA,
    Column("rule_id", String, primary_key=True),
    Column("failing_since", Float),
    Column("error", Text, nullable=False),
    Column("settled_at", Float, nullable=False),
)

INCIDENTS: Final = Table(
    "incidents",
    METADATA,
    Column("dedup_key", String(64), primary_key=True),
    Column("episode", Integer, primary_key=True),
    Column("receiver", String, nullable=False),
    Column("route", String, nullable=False),
    Column("group_labels", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("flush_at", Float),
    Column("notified_at", Float),
    Column("notified_firing", Text, nullable=False),
    Column("notifications", Integer, nullable=False),
    Column("resolved_at", Float),
    Column("title", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Index("incidents_by_time", "opened_at"),
)

DELIVERIES: Final = Table(
    "deliveries",
    METADATA,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("integration", String, nullable=False),
    Column("dedup_key", String(64), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("action", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("notification", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("next_attempt_at", Float, nullable=False),
    Column("claimed_until", Float, nullable=False),
    Column("settled_at", Float),
    Column("error", Text, nullable=False),
    Index("deliveries_in_order", "state", "integration", "dedup_key", "seq"),
    Index("deliveries_of_incident", "dedup_key", "episode"),
)
