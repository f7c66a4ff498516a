"""What one service watches itself with, as one value, and which one the process uses now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from opentelemetry import trace
from prometheus_client import REGISTRY, CollectorRegistry

from shopwatch import catalogue, settings
from shopwatch.guard import Guard
from shopwatch.metrics import Instruments
from shopwatch.settings import Settings
from shopwatch.version import __version__


class Ending(Protocol):
    """How the export of a telemetry ends."""

    def flush(self, timeout_s: float = ...) -> bool:
        """Wait until what was recorded so far has been sent; False when that took too long."""
        ...

    def close(self) -> None:
        """Send what waits for at most 1.5 s, and let go; may be called again."""
        ...


class NothingExported:
    """The ending of a telemetry that exports nothing."""

    def flush(self, timeout_s: float = 0) -> bool:
        """There is nothing to wait for, however long."""
        return timeout_s >= 0

    def close(self) -> None:
        """There is nothing to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Settings, instruments, tracer and guard of one service in this process.

    ``tracer`` is None when no spans are made; the trace of a caller is still passed on then.
    """

    settings: Settings
    instruments: Instruments
    guard: Guard
    tracer: trace.Tracer | None
    ending: Ending


_current: Telemetry | None = None


def current() -> Telemetry:
    """The telemetry that ``record`` and the hooks use: the last one set up, else one without export."""
    if _current is not None:
        return _current
    made = plain(settings.read())
    use(made)
    return made


def use(telemetry: Telemetry | None) -> Telemetry | None:
    """Make this the process' telemetry; called by the bootstrap. Returns the one before."""
    global _current
    before, _current = _current, telemetry
    return before


def plain(of: Settings, registry: CollectorRegistry | None = None) -> Telemetry:
    """Telemetry without export: metrics, and spans by whatever tracer the process has."""
    instruments = Instruments(
        REGISTRY if registry is None else registry,
        service=of.service,
        version=of.version,
        track=of.track,
        max_series=of.max_series,
    )
    return Telemetry(
        settings=of,
        instruments=instruments,
        guard=Guard(instruments.fault),
        tracer=trace.get_tracer(catalogue.SCOPE, __version__),
        ending=NothingExported(),
    )
