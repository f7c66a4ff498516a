"""For the tests of services, and our own: a service's telemetry in memory, set up and taken back.

::

    with watch(app, service="orders") as watched:
        ...                                   # call watched.app
        assert watched.value(catalogue.ORDERS, outcome="placed") == 1
        [span] = watched.spans("GET /orders/{order_id}")
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from shopwatch import catalogue, pipeline, settings, telemetry
from shopwatch.bootstrap import install
from shopwatch.catalogue import Kind, Metric
from shopwatch.health import Check
from shopwatch.hooks import switch
from shopwatch.logs import LogPipe
from shopwatch.sdk_export import SdkLogs, SdkSpans
from shopwatch.telemetry import Telemetry

App = TypeVar("App")

_FLUSH_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Generic[App]):
    """An instrumented application and what it has recorded."""

    app: App
    telemetry: Telemetry
    registry: CollectorRegistry
    span_exporter: InMemorySpanExporter
    log_exporter: InMemoryLogRecordExporter

    def spans(self, name: str | None = None) -> Sequence[ReadableSpan]:
        """The spans that have ended, of one name when it is given."""
        self.telemetry.ending.flush(_FLUSH_S)
        spans = self.span_exporter.get_finished_spans()
        return [span for span in spans if name is None or span.name == name]

    def logs(self, logger: str | None = None) -> Sequence[ReadableLogRecord]:
        """The log records so far, of one logger when it is given."""
        self.telemetry.ending.flush(_FLUSH_S)
        records = self.log_exporter.get_finished_logs()
        return [record for record in records if logger is None or _logger_of(record) == logger]

    def value(self, metric: Metric, **labels: str) -> float:
        """The sum of a metric's series with these Prometheus labels; a histogram's number of observations."""
        name = f"{metric.prometheus_name}_count" if metric.kind is Kind.HISTOGRAM else metric.prometheus_name
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return sum(
            sample.value
            for sample in samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, metric: Metric) -> Sequence[Mapping[str, str]]:
        """The labels of each of a metric's series."""
        name = metric.series_names[-1] if metric.kind is Kind.HISTOGRAM else metric.prometheus_name
        return [
            sample.labels
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        ]


def _logger_of(record: ReadableLogRecord) -> str:
    return record.instrumentation_scope.name if record.instrumentation_scope is not None else ""


@contextmanager
def watch(
    app: App,
    *,
    service: str = "service",
    environ: Mapping[str, str] | None = None,
    readiness: Mapping[str, Check] | None = None,
    hooks: Collection[str] = (),
) -> Iterator[Watched[App]]:
    """Instrument an application with everything kept in memory, until the block ends.

    Args:
        app: as for ``instrument``.
        service: its name.
        environ: settings; none when None.
        readiness: checks of ``/readyz``.
        hooks: libraries that are watched, as in ``SHOPWATCH_HOOKS``.
    """
    registry = CollectorRegistry()
    ours = settings.read(environ or {}, service=service)
    plain = telemetry.plain(ours, registry)
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    exporters = pipeline.Exporters(
        spans=SdkSpans(spans) if ours.traces.enabled else None,
        logs=SdkLogs(logs, Resource(dict(ours.resource))) if ours.logs.enabled else None,
    )
    pipe = plain.pipe(stream=None)
    made = pipeline.connect(plain, exporters, pipe, globally=False)
    with _current(made), _logging(pipe), _watching(hooks, made):
        yield Watched(
            app=install(app, made, readiness or {}),
            telemetry=made,
            registry=registry,
            span_exporter=spans,
            log_exporter=logs,
        )


@contextmanager
def _current(made: Telemetry) -> Iterator[None]:
    before = telemetry.use(made)
    try:
        yield
    finally:
        telemetry.use(before)
        made.ending.close()


@contextmanager
def _watching(hooks: Collection[str], made: Telemetry) -> Iterator[None]:
    switch.on(hooks, made.provider)
    try:
        yield
    finally:
        if hooks:
            switch.off()


@contextmanager
def _logging(pipe: LogPipe) -> Iterator[None]:
    root, access = logging.getLogger(), logging.getLogger(catalogue.ACCESS_LOGGER)
    levels = root.level, access.level
    root.handlers.insert(0, pipe)
    root.setLevel(logging.INFO)
    access.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(pipe)
        root.setLevel(levels[0])
        access.setLevel(levels[1])
