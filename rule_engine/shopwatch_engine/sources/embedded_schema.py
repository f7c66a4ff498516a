"""The tables of the embedded collector's SQLite file: what its writer and its readers agree on.

Times are nanoseconds since the epoch, as OTLP has them; ``received_at`` is in seconds. ``document`` is
the log document in the one shape of ``shopwatch.catalogue``; the columns beside it repeat what queries
select by.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
"""Kept in ``PRAGMA user_version``."""

SEVERITY_WARN: Final = 13
"""OpenTelemetry's severity number of WARN: lines from here on have an index of their own."""

DDL: Final = (
    """CREATE TABLE IF NOT EXISTS logs (
        id INTEGER PRIMARY KEY,
        received_at REAL NOT NULL,
        at_ns INTEGER NOT NULL,
        service TEXT NOT NULL,
        severity INTEGER NOT NULL,
        trace_id TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS spans (
        id INTEGER PRIMARY KEY,
        received_at REAL NOT NULL,
        trace_id TEXT NOT NULL,
        span_id TEXT NOT NULL,
        parent_id TEXT NOT NULL,
        service TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        error TEXT NOT NULL,
        attributes TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS logs_of_trace ON logs (trace_id, at_ns) WHERE trace_id != ''",
    "CREATE INDEX IF NOT EXISTS logs_of_service ON logs (service, at_ns)",
    f"CREATE INDEX IF NOT EXISTS bad_logs ON logs (service, at_ns) WHERE severity >= {SEVERITY_WARN}",
    "CREATE UNIQUE INDEX IF NOT EXISTS spans_of_trace ON spans (trace_id, span_id)",
    "CREATE INDEX IF NOT EXISTS spans_of_service ON spans (service, start_ns)",
)

INSERT_LOG: Final = """
    INSERT INTO logs (received_at, at_ns, service, severity, trace_id, document) VALUES (?, ?, ?, ?, ?, ?)
"""

# An exporter that got no answer sends the same spans again, so the last of an id stands.
INSERT_SPAN: Final = """
    INSERT OR REPLACE INTO spans (received_at, trace_id, span_id, parent_id, service, name, kind,
                                  start_ns, end_ns, failed, error, attributes)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
