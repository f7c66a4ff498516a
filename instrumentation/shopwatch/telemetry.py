"""What one service watches itself with, as one value, and which one the process uses now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TextIO

from opentelemetry import trace
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import REGISTRY, CollectorRegistry

from shopwatch import catalogue, propagation, redaction, sampling, settings, workers
from shopwatch.access_log import AccessLog
from shopwatch.drain import Drain
from shopwatch.guard import Guard
from shopwatch.log_repeats import Repeats
from shopwatch.logs import LogPipe
from shopwatch.metrics import Instruments
from shopwatch.redaction import Redactor
from shopwatch.runtime import Runtime
from shopwatch.sampling import Sampler
from shopwatch.settings import Settings
from shopwatch.spans import LightSpan, Origin
from shopwatch.tracer import LightTracer
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
    access: AccessLog
    sampler: Sampler
    propagator: TextMapPropagator
    redactor: Redactor
    runtime: Runtime | None = None
    drain: Drain | None = None
    provider: trace.TracerProvider | None = None
    """Where instrumentations of other libraries get their tracers; None for the process' own."""
    problems: tuple[str, ...] = ()
    """What was wrong with the propagators and the rules of redaction."""

    def pipe(self, stream: TextIO | None) -> LogPipe:
        """The handler of the root logger, whose lines go to a stream if there is one."""
        held_back = self.instruments.bound(catalogue.LOGS_HELD_BACK)
        return LogPipe(
            resource=self.settings.resource,
            outlet=None,
            stream=stream,
            guard=self.guard,
            redactor=self.redactor,
            repeats=Repeats(self.settings.log_repeats, lambda severity: held_back.series((severity,)).inc()),
        )

    @property
    def origin(self) -> Origin:
        """What the request spans of this telemetry have in common."""
        if isinstance(self.tracer, LightTracer):
            return self.tracer.origin
        resource = Resource(dict(self.settings.resource))
        scope = InstrumentationScope(catalogue.SCOPE, __version__)
        return Origin(scope, resource, self.settings.span_limits, _deliver_nowhere, self.redactor.text)


def _deliver_nowhere(span: LightSpan) -> None:
    """For requests whose span is made elsewhere, or not at all."""
    del span


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
        group=workers.group_of(of.multiproc_dir),
    )
    guard = Guard(instruments.fault)
    propagator, unknown = propagation.propagator(of.propagators)
    redactor, broken = redaction.redactor(of.redact, of.redact_fields)
    return Telemetry(
        settings=of,
        instruments=instruments,
        guard=guard,
        tracer=trace.get_tracer(catalogue.SCOPE, __version__),
        ending=NothingExported(),
        access=AccessLog(of.access_log, guard=guard),
        sampler=sampling.sampler(of),
        propagator=propagator,
        redactor=redactor,
        problems=(*unknown, *broken),
    )
