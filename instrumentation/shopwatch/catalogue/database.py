"""Metrics of databases and caches."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    CACHE_NAME,
    CACHE_RESULT,
    DB_BUCKETS,
    DB_OPERATION,
    DB_SYSTEM,
    ERROR_TYPE,
    POOL_NAME,
    POOL_STATE,
)
from shopwatch.catalogue.model import Kind, Metric

DB_CLIENT_DURATION: Final = Metric(
    name="db.client.operation.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of database client operations.",
    attributes=(DB_SYSTEM, DB_OPERATION, ERROR_TYPE),
    buckets=DB_BUCKETS,
)
CACHE_REQUESTS: Final = Metric(
    name="shopwatch.cache.requests",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Cache look-ups by result (hit, miss, error).",
    attributes=(CACHE_NAME, CACHE_RESULT),
)

POOL_CONNECTIONS: Final = Metric(
    name="db.client.connection.count",
    kind=Kind.GAUGE,
    unit="{connection}",
    description="Connections of a pool by state (idle, used).",
    attributes=(POOL_NAME, POOL_STATE),
)
POOL_MAX: Final = Metric(
    name="db.client.connection.max",
    kind=Kind.GAUGE,
    unit="{connection}",
    description="Connections that a pool may have open.",
    attributes=(POOL_NAME,),
)
POOL_PENDING: Final = Metric(
    name="db.client.connection.pending_requests",
    kind=Kind.GAUGE,
    unit="{request}",
    description="Callers that wait for a connection of a pool.",
    attributes=(POOL_NAME,),
)
POOL_WAIT: Final = Metric(
    name="db.client.connection.wait_time",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Time to obtain an open connection from a pool.",
    attributes=(POOL_NAME,),
    buckets=DB_BUCKETS,
)
POOL_TIMEOUTS: Final = Metric(
    name="db.client.connection.timeouts",
    kind=Kind.COUNTER,
    unit="{timeout}",
    description="Callers that were refused a connection of a pool, or gave up waiting.",
    attributes=(POOL_NAME,),
)

DATABASE_METRICS: Final = (
    DB_CLIENT_DURATION,
    POOL_CONNECTIONS,
    POOL_MAX,
    POOL_PENDING,
    POOL_WAIT,
    POOL_TIMEOUTS,
    CACHE_REQUESTS,
)
