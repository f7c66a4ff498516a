"""What the hooks of connection pools share."""

from __future__ import annotations

from shopwatch import catalogue, telemetry
from shopwatch.catalogue import Metric

IDLE = "idle"
USED = "used"


def waited(pool: str, seconds: float) -> None:
    """Somebody was given a connection."""
    telemetry.current().instruments.bound(catalogue.POOL_WAIT).series((pool,)).observe(seconds)


def timed_out(pool: str) -> None:
    """Somebody was not."""
    telemetry.current().instruments.bound(catalogue.POOL_TIMEOUTS).series((pool,)).inc()


def has(pool: str, *, idle: int, used: int, most: int | None = None, pending: int | None = None) -> None:
    """How a pool stands now; ``most`` and ``pending`` where it tells."""
    _set(catalogue.POOL_CONNECTIONS, (pool, IDLE), idle)
    _set(catalogue.POOL_CONNECTIONS, (pool, USED), used)
    if most is not None:
        _set(catalogue.POOL_MAX, (pool,), most)
    if pending is not None:
        _set(catalogue.POOL_PENDING, (pool,), pending)


def _set(metric: Metric, values: tuple[str, ...], number: int) -> None:
    telemetry.current().instruments.bound(metric).series(values).set(number)
