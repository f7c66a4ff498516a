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

DATABASE_METRICS: Final = (
    DB_CLIENT_DURATION,
    CACHE_REQUESTS,
)
