"""For the tests of services, and our own: a service's telemetry in memory, set up and taken back.

As a plugin of pytest (``pytest_plugins = ["shopwatch.testing"]`` in ``conftest.py``), by the fixture
``watched``::

    def test_an_order_is_counted(watched):
        with TestClient(watched.instrument(app)) as client:
            client.post("/orders", json={"sku": "mug"})
        watched.assert_metric(catalogue.ORDERS, 1, shopwatch_outcome="placed")
        watched.assert_span("POST /orders", **{"http.response.status_code": 201})
        watched.assert_logged("order", level="INFO")

or without pytest, by the block that it is made of::

    with watch(app, service="orders") as watched:
        ...                                   # call watched.app
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import pytest
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

Installed = TypeVar("Installed")

_FLUSH_S: Final = 5.0
_CHANGED: Final = ("build_middleware_stack", "middleware_stack", "wsgi_app")
"""What ``install`` changes of an application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Generic[App]):
    """An instrumented application and what it has recorded."""

    app: App
    telemetry: Telemetry
    registry: CollectorRegistry
    span_exporter: InMemorySpanExporter
    log_exporter: InMemoryLogRecordExporter
    _kept: ExitStack = field(default_factory=ExitStack, repr=False)

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

    def assert_metric(self, metric: Metric, expected: float, /, **labels: str) -> None:
        """Fail unless the metric's series with these labels add up to this; says what there is instead."""
        found = self.value(metric, **labels)
        if found != expected:
            rows = [f"  {_series(one)}" for one in self.labels(metric)] or ["  none"]
            wanted = _series(labels)
            raise AssertionError(
                f"{metric.prometheus_name}{wanted} is {found:g}, expected {expected:g}; its series are:\n"
                + "\n".join(sorted(rows))
            )

    def assert_span(self, name: str, /, **attributes: object) -> ReadableSpan:
        """The first span of this name that has these attributes; fails with what spans there are."""
        spans = self.spans()
        for span in spans:
            if span.name == name and attributes.items() <= dict(span.attributes or {}).items():
                return span
        rows = [f"  {span.name} {dict(span.attributes or {})}" for span in spans] or ["  none"]
        raise AssertionError(f"no span {name!r} with {attributes}; there are:\n" + "\n".join(rows))

    def assert_logged(self, text: str, /, *, level: str = "", **attributes: object) -> ReadableLogRecord:
        """The first log record whose text holds this; fails with what records there are."""
        records = self.logs()
        for record in records:
            said = record.log_record
            if (
                text in str(said.body)
                and level in ("", said.severity_text)
                and attributes.items() <= dict(said.attributes or {}).items()
            ):
                return record
        rows = [f"  {one.log_record.severity_text} {one.log_record.body!s}" for one in records] or ["  none"]
        raise AssertionError(f"no record with {text!r} {level} {attributes}; there are:\n" + "\n".join(rows))

    def instrument(self, app: Installed, readiness: Mapping[str, Check] | None = None) -> Installed:
        """Watch an application, one that is instrumented already too, until the test ends."""
        self._kept.callback(_put_back(app))
        return install(app, self.telemetry, readiness or {})

    def labels(self, metric: Metric) -> Sequence[Mapping[str, str]]:
        """The labels of each of a metric's series."""
        name = metric.series_names[-1] if metric.kind is Kind.HISTOGRAM else metric.prometheus_name
        return [
            sample.labels
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        ]


def _series(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={value!r}" for name, value in labels.items() if value) + "}"


def _put_back(app: object) -> Callable[[], None]:
    """Puts an application's attributes back as they are now, as far as ``install`` changes them."""
    own = vars(app) if hasattr(app, "__dict__") else {}
    before: dict[str, Any] = {name: own[name] for name in _CHANGED if name in own}

    def put_back() -> None:
        for name in _CHANGED:
            own.pop(name, None)
        own.update(before)

    return put_back


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
    with _current(made), _logging(pipe), _watching(hooks, made), ExitStack() as kept:
        kept.callback(_put_back(app))
        yield Watched(
            app=install(app, made, readiness or {}),
            telemetry=made,
            registry=registry,
            span_exporter=spans,
            log_exporter=logs,
            _kept=kept,
        )


async def _no_app(scope: object, receive: object, send: object) -> None:
    """An application that nobody asks, for what is recorded outside one."""


@pytest.fixture
def watched() -> Iterator[Watched[Any]]:
    """The telemetry of a test, in memory: what its code records, traces and logs can be asserted on."""
    with watch(_no_app) as found:
        yield found


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
