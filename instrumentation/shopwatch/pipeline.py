"""From the settings to what spans and log records end in: samplers, queues, sinks, their end.

Imported by the bootstrap alone, and under its guard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource

from shopwatch import access_log, catalogue, otlp
from shopwatch.access_log import AccessLog, write_lines
from shopwatch.export import SHUTDOWN_S, Batcher, EncodedLogs, EncodedSpans, LogSink, SpanSink
from shopwatch.guard import Guard
from shopwatch.logs import LogPipe
from shopwatch.redaction import Redactor, without_literals
from shopwatch.settings import CONSOLE, LOGS, TRACES, Export, Settings
from shopwatch.spans import LightSpan
from shopwatch.telemetry import Telemetry
from shopwatch.tracer import LightTracerProvider
from shopwatch.version import __version__

LINES: Final = Export(
    enabled=True, protocol="", endpoint="", queue=16_384, batch=2_048, delay_s=0.25, timeout_s=1.0
)
"""How access lines leave the process: at most a quarter of a second after their request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporters:
    """What spans and log records end in; None for a signal that is not exported."""

    spans: SpanSink | None
    logs: LogSink | None


class Ending:
    """Sends what waits, and lets go.

    Args:
        batchers: of what leaves the process.
        sinks: what they end in.
        guard: takes what sinks raise.
    """

    def __init__(
        self, batchers: tuple[Batcher[Any], ...], sinks: tuple[SpanSink | LogSink, ...], guard: Guard
    ) -> None:
        self._batchers = batchers
        self._sinks = sinks
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
        for sink in self._sinks if any(closed) else ():
            with self._guard.over("closing an exporter"):
                sink.close()


def exporters_of(settings: Settings) -> Exporters:
    """What the settings say, for the signals that are on."""
    otlp.hush_exporters()
    resource = Resource(dict(settings.resource))
    return Exporters(spans=_span_sink(settings), logs=_log_sink(settings, resource))


def _span_sink(settings: Settings) -> SpanSink | None:
    if not settings.traces.enabled:
        return None
    if settings.traces.protocol == CONSOLE:
        from shopwatch.sdk_export import console_spans  # noqa: PLC0415 - only if it is used

        return console_spans()
    return EncodedSpans(otlp.sender(settings.traces, TRACES))


def _log_sink(settings: Settings, resource: Resource) -> LogSink | None:
    if not settings.logs.enabled:
        return None
    if settings.logs.protocol == CONSOLE:
        from shopwatch.sdk_export import console_logs  # noqa: PLC0415 - only if it is used

        return console_logs(resource)
    return EncodedLogs(otlp.sender(settings.logs, LOGS), resource)


def connect(plain: Telemetry, exporters: Exporters, pipe: LogPipe, *, globally: bool) -> Telemetry:
    """Telemetry that is exported, of one that is not.

    Args:
        plain: settings, instruments and guard.
        exporters: what the signals end in.
        pipe: the handler of the root logger; its records go to the exporter of logs.
        globally: whether the tracer provider becomes the process' own if it has none yet. A host that has
            set one keeps it, with its own exporters, and the library's spans go there.
    """
    settings = plain.settings
    provider = _host_provider()
    queue = partial(_queue, plain)
    spans = records = lines = None
    if exporters.spans is not None and provider is None:
        spans = queue(TRACES, _masked(plain.redactor, exporters.spans.export), settings.traces)
        provider = _own_provider(plain, spans.put, globally=globally)
    if exporters.logs is not None:
        records = queue(LOGS, exporters.logs.export, settings.logs)
        pipe.outlet = records
    if pipe.stream is not None and settings.access_log != access_log.NONE:
        lines = queue("lines", partial(write_lines, pipe), LINES)
    return replace(
        plain,
        tracer=None if provider is None else provider.get_tracer(catalogue.SCOPE, __version__),
        provider=provider,
        access=AccessLog(settings.access_log, pipe=pipe, exported=records, written=lines, guard=plain.guard),
        ending=Ending(
            tuple(batcher for batcher in (spans, records, lines) if batcher is not None),
            tuple(sink for sink in (exporters.spans, exporters.logs) if sink is not None),
            plain.guard,
        ),
    )


def _masked(
    redactor: Redactor, export: Callable[[Sequence[LightSpan]], bool]
) -> Callable[[Sequence[LightSpan]], bool]:
    """Mask what instrumentations of other libraries say of calls: they know nothing of our rules."""
    masks = {
        catalogue.URL_FULL: redactor.text,
        catalogue.DB_QUERY_TEXT: lambda text: redactor.text(without_literals(text)),
    }

    def masking(batch: Sequence[LightSpan]) -> bool:
        for span in batch:
            span.mask(masks)
        return export(batch)

    return masking


def _queue(plain: Telemetry, signal: str, send: Callable[[Any], bool], settings: Export) -> Batcher[Any]:
    dropped = partial(plain.instruments.dropped, signal)
    return Batcher(send, settings, dropped=dropped, guard=plain.guard, name=f"shopwatch-{signal}")


def _host_provider() -> trace.TracerProvider | None:
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider | LightTracerProvider) else provider


def _own_provider(
    plain: Telemetry, deliver: Callable[[LightSpan], None], *, globally: bool
) -> LightTracerProvider:
    provider = LightTracerProvider(
        resource=Resource(dict(plain.settings.resource)),
        sampler=plain.sampler,
        limits=plain.settings.span_limits,
        deliver=deliver,
        redact=plain.redactor.text,
    )
    if globally and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return provider
