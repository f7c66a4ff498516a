"""From the settings to what spans and log records end in: samplers, OTLP exporters, batchers, their end.

Imported by the bootstrap alone, and under its guard: OpenTelemetry's SDK reads parts of the environment
when it is loaded, and raises on what it cannot use.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider, sampling
from opentelemetry.sdk.trace.export import SpanExporter

from shopwatch import catalogue, otlp
from shopwatch.export import SHUTDOWN_S, BatchedSpans, Batcher, LogOutlet, log_batcher, span_batcher
from shopwatch.guard import Guard
from shopwatch.metrics import Instruments
from shopwatch.settings import Settings
from shopwatch.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporters:
    """What spans and log records end in; None for a signal that is not exported."""

    spans: SpanExporter | None
    logs: LogRecordExporter | None


class Ending:
    """Sends what waits, and lets go.

    Args:
        batchers: of the signals that are exported.
        exporters: what they end in.
        guard: takes what exporters raise.
    """

    def __init__(
        self,
        batchers: tuple[Batcher[Any], ...],
        exporters: tuple[SpanExporter | LogRecordExporter, ...],
        guard: Guard,
    ) -> None:
        self._batchers = batchers
        self._exporters = exporters
        self._guard = guard
        self._hopeless = False

    def flush(self, timeout_s: float = SHUTDOWN_S) -> bool:
        """Wait until what was recorded so far has been sent; False when that took too long."""
        deadline = time.monotonic() + timeout_s
        flushed = [batcher.flush(deadline) for batcher in self._batchers]
        self._hopeless = not all(flushed)
        return not self._hopeless

    def close(self) -> None:
        """Send what waits, for ``SHUTDOWN_S`` at most, and drop the rest; may be called again.

        A collector that did not answer the last flush is not waited for once more.
        """
        deadline = time.monotonic() + (0 if self._hopeless else SHUTDOWN_S)
        for batcher in self._batchers:
            batcher.begin_close()
        closed = [batcher.end_close(deadline) for batcher in self._batchers]
        for exporter in self._exporters if any(closed) else ():
            with self._guard.over("closing an exporter"):
                exporter.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Where spans begin and log records enter, and how both end."""

    tracer: trace.Tracer | None
    outlet: LogOutlet | None
    ending: Ending


class OwnTracerProvider(TracerProvider):
    """Tells a provider that the library made from one that the host made."""


def exporters_of(settings: Settings) -> Exporters:
    """OTLP exporters for the signals that are on."""
    otlp.hush_exporters()
    return Exporters(
        spans=otlp.spans(settings.traces) if settings.traces.enabled else None,
        logs=otlp.logs(settings.logs) if settings.logs.enabled else None,
    )


def build(
    settings: Settings, instruments: Instruments, guard: Guard, exporters: Exporters, *, globally: bool
) -> Pipeline:
    """Put the parts together.

    Args:
        settings: of the service.
        instruments: count what is dropped.
        guard: takes what exporters raise.
        exporters: what the signals end in.
        globally: whether the tracer provider becomes the process' own if it has none yet. A host that has
            set one keeps it, with its own exporters, and the library's spans go there.
    """
    resource = Resource(dict(settings.resource))
    provider = _host_provider()
    spans = logs = None
    if exporters.spans is not None and provider is None:
        dropped = partial(instruments.dropped, "traces")
        spans = span_batcher(exporters.spans, settings.traces, dropped=dropped, guard=guard)
        provider = _own_provider(settings, resource, BatchedSpans(spans), globally=globally)
    if exporters.logs is not None:
        dropped = partial(instruments.dropped, "logs")
        logs = log_batcher(exporters.logs, settings.logs, dropped=dropped, guard=guard)
    return Pipeline(
        tracer=None if provider is None else provider.get_tracer(catalogue.SCOPE, __version__),
        outlet=None if logs is None else LogOutlet(logs, resource),
        ending=Ending(
            tuple(batcher for batcher in (spans, logs) if batcher is not None),
            tuple(known for known in (exporters.spans, exporters.logs) if known is not None),
            guard,
        ),
    )


def _host_provider() -> trace.TracerProvider | None:
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider | OwnTracerProvider) else provider


def _own_provider(
    settings: Settings, resource: Resource, processor: SpanProcessor, *, globally: bool
) -> TracerProvider:
    provider = tracer_provider(settings, resource)
    provider.add_span_processor(processor)
    if globally and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return provider


def tracer_provider(settings: Settings, resource: Resource) -> TracerProvider:
    """A provider that samples as the settings say and ends when the bootstrap says so.

    The limits are OpenTelemetry's defaults, said outright: read from the environment, a wrong one raises.
    """
    limits = SpanLimits(
        max_attributes=128,
        max_events=128,
        max_links=128,
        max_span_attributes=128,
        max_event_attributes=128,
        max_link_attributes=128,
        max_attribute_length=SpanLimits.UNSET,
        max_span_attribute_length=SpanLimits.UNSET,
    )
    return OwnTracerProvider(
        sampler=_sampler(settings), resource=resource, shutdown_on_exit=False, span_limits=limits
    )


def _sampler(settings: Settings) -> sampling.Sampler:
    fixed: dict[str, sampling.Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "parentbased_always_on": sampling.DEFAULT_ON,
        "parentbased_always_off": sampling.DEFAULT_OFF,
    }
    if settings.sampler in fixed:
        return fixed[settings.sampler]
    ratio = sampling.TraceIdRatioBased(settings.sample_ratio)
    return ratio if settings.sampler == "traceidratio" else sampling.ParentBased(ratio)
