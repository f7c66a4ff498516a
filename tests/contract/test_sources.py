"""What every LogSource and TraceSource promises: the fakes and the embedded collector's file alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from shopwatch_engine.embedded import TelemetryStore
from shopwatch_engine.embedded.records import records_of_logs, records_of_traces
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import LabelSet, LogLine, LogQuery, TraceQuery, TraceSummary
from shopwatch_engine.ports import LogSource, TraceSource
from shopwatch_engine.sources import EmbeddedSource
from shopwatch_engine.testing.sources import FakeLogSource, FakeTraceSource

T0 = 1_700_000_000.0
NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFact:
    span: str
    parent: str = ""
    service: str
    name: str
    start: float  # seconds after T0
    took: float
    error: str | None = None  # None: it did not fail


class Box(Protocol):
    """A source, and how it is filled."""

    logs: LogSource
    traces: TraceSource

    def hold_lines(self, lines: Iterable[LogLine]) -> None: ...
    def hold_trace(self, trace_id: str, spans: Iterable[SpanFact]) -> None: ...
    def break_down(self) -> None: ...


class StillClock:
    """Lets nothing grow old."""

    def now(self) -> float:
        return T0


class FakeBox:
    def __init__(self) -> None:
        self.logs = FakeLogSource()
        self.traces = FakeTraceSource()

    def hold_lines(self, lines: Iterable[LogLine]) -> None:
        self.logs.lines.extend(lines)

    def hold_trace(self, trace_id: str, spans: Iterable[SpanFact]) -> None:
        facts = sorted(spans, key=lambda fact: (bool(fact.parent), fact.start))
        start = min(fact.start for fact in facts)
        failed = sorted((fact for fact in facts if fact.error is not None), key=lambda fact: fact.start)
        summary = TraceSummary(
            trace_id=trace_id,
            service=facts[0].service,
            name=facts[0].name,
            started_at=T0 + start,
            duration_s=max(fact.start + fact.took for fact in facts) - start,
            spans=len(facts),
            errors=len(failed),
            error=next((fact.error for fact in failed if fact.error), ""),
        )
        self.traces.add(summary, services=[fact.service for fact in facts])

    def break_down(self) -> None:
        self.logs.down = self.traces.down = SourceError("down")


class EmbeddedBox:
    """Filled the way that a service fills it: with OTLP's own messages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.store = TelemetryStore(path, clock=StillClock())
        self.logs = self.traces = EmbeddedSource(path)

    def hold_lines(self, lines: Iterable[LogLine]) -> None:
        request = ExportLogsServiceRequest()
        for line in lines:
            group = request.resource_logs.add()
            group.resource.attributes.append(text("service.name", line.service))
            group.scope_logs.add().log_records.add(
                time_unix_nano=int(line.at * NS),
                severity_text=line.severity_text,
                severity_number=SeverityNumber.ValueType(line.severity_number),
                body=AnyValue(string_value=line.body),
                trace_id=bytes.fromhex(line.trace_id),
                span_id=bytes.fromhex(line.span_id),
                attributes=[text(name, value) for name, value in line.attributes],
            )
        self.store.offer(records_of_logs(request, received_at=T0)).result(10)

    def hold_trace(self, trace_id: str, spans: Iterable[SpanFact]) -> None:
        request = ExportTraceServiceRequest()
        for fact in spans:
            group = request.resource_spans.add()
            group.resource.attributes.append(text("service.name", fact.service))
            code = Status.STATUS_CODE_UNSET if fact.error is None else Status.STATUS_CODE_ERROR
            group.scope_spans.add().spans.add(
                trace_id=bytes.fromhex(trace_id),
                span_id=bytes.fromhex(fact.span),
                parent_span_id=bytes.fromhex(fact.parent),
                name=fact.name,
                start_time_unix_nano=int(T0) * NS + int(fact.start * NS),
                end_time_unix_nano=int(T0) * NS + int((fact.start + fact.took) * NS),
                status=Status(code=code, message=fact.error or ""),
            )
        self.store.offer(records_of_traces(request, received_at=T0)).result(10)

    def break_down(self) -> None:
        self.store.close()
        self._path.write_bytes(b"this is not a database, and never was one" * 100)


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def trace_id(number: int) -> str:
    return f"{number:032x}"


def line(at: float, body: str, **more: object) -> LogLine:
    facts: dict[str, object] = {"service": "orders", "severity_text": "ERROR", "severity_number": 17, **more}
    return LogLine(at=T0 + at, body=body, **facts)  # type: ignore[arg-type] - a table's columns


def root(
    number: int, *, service: str = "orders", start: float = 0.0, took: float = 1.0, error: str | None = None
) -> SpanFact:
    return SpanFact(span=f"{number:016x}", service=service, name="GET /", start=start, took=took, error=error)


@pytest.fixture(params=["fake", "embedded"])
async def box(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Box]:
    if request.param == "fake":
        yield FakeBox()
        return
    embedded = EmbeddedBox(tmp_path / "telemetry.db")
    yield embedded
    embedded.store.close()


LINES = (
    line(1, "one", trace_id=trace_id(1), span_id="00000000000000aa"),
    line(2, "two", severity_text="INFO", severity_number=9),
    line(3, "three", service="payments", trace_id=trace_id(2)),
    line(4, "four", severity_text="WARN", severity_number=13, trace_id=trace_id(1)),
    line(5, "five"),
)


@pytest.mark.parametrize(
    ("wanted", "bodies"),
    [
        pytest.param({}, ["five", "four", "three", "two", "one"], id="all-newest-first"),
        pytest.param({"limit": 2}, ["five", "four"], id="limit"),
        pytest.param({"service": "orders"}, ["five", "four", "two", "one"], id="service"),
        pytest.param({"service": "nobody"}, [], id="no-such-service"),
        pytest.param({"min_severity": 17}, ["five", "three", "one"], id="errors"),
        pytest.param(
            {"min_severity": 13, "service": "orders"}, ["five", "four", "one"], id="warnings-of-service"
        ),
        pytest.param({"min_severity": 9}, ["five", "four", "three", "two", "one"], id="from-info"),
        pytest.param({"trace_ids": (trace_id(1),)}, ["four", "one"], id="trace"),
        pytest.param({"trace_ids": (trace_id(1), trace_id(2))}, ["four", "three", "one"], id="traces"),
        pytest.param({"trace_ids": (trace_id(9),)}, [], id="no-such-trace"),
        pytest.param({"trace_ids": (trace_id(1),), "min_severity": 17}, ["one"], id="trace-errors"),
        pytest.param({"start": T0 + 2, "end": T0 + 4}, ["four", "three", "two"], id="window-with-its-ends"),
        pytest.param({"start": T0 + 6, "end": T0 + 9}, [], id="nothing-there"),
    ],
)
async def test_lines(box: Box, wanted: dict[str, object], bodies: list[str]) -> None:
    box.hold_lines(LINES)
    query = LogQuery(**{"start": T0, "end": T0 + 10, **wanted})  # type: ignore[arg-type] - a table's columns
    assert [found.body for found in await box.logs.search_logs(query)] == bodies


async def test_a_line_comes_back_whole(box: Box) -> None:
    whole = line(
        1,
        "payment declined\nby the bank: naïve ☂",
        trace_id=trace_id(7),
        span_id="00000000000000bb",
        attributes=LabelSet.of({"http.route": "/pay", "exception.type": "Declined"}),
    )
    box.hold_lines([whole])
    assert await box.logs.search_logs(LogQuery(start=T0, end=T0 + 2)) == (whole,)


async def test_lines_of_one_moment_are_newest_first_too(box: Box) -> None:
    box.hold_lines([line(1, str(number)) for number in range(5)])
    found = await box.logs.search_logs(LogQuery(start=T0, end=T0 + 2, limit=3))
    assert [one.body for one in found] == ["4", "3", "2"]


async def test_a_trace_in_a_line(box: Box) -> None:
    box.hold_trace(
        trace_id(1),
        [
            SpanFact(
                span="00000000000000a2",
                parent="00000000000000a1",
                service="payments",
                name="charge",
                start=0.5,
                took=2.0,
                error="card declined",
            ),
            SpanFact(
                span="00000000000000a1", service="orders", name="POST /orders", start=0.25, took=1.5, error=""
            ),
            SpanFact(
                span="00000000000000a3",
                parent="00000000000000a2",
                service="payments",
                name="SELECT",
                start=0.75,
                took=0.25,
            ),
        ],
    )
    (found,) = await box.traces.search_traces(TraceQuery(start=T0, end=T0 + 5))
    assert found == TraceSummary(
        trace_id=trace_id(1),
        service="orders",
        name="POST /orders",
        started_at=T0 + 0.25,
        duration_s=2.25,
        spans=3,
        errors=2,
        error="card declined",
    )


async def test_without_its_root_a_trace_is_called_after_its_earliest_span(box: Box) -> None:
    box.hold_trace(
        trace_id(1),
        [
            SpanFact(
                span="00000000000000a2",
                parent="00000000000000a1",
                service="late",
                name="late",
                start=2,
                took=1,
            ),
            SpanFact(
                span="00000000000000a3",
                parent="00000000000000a1",
                service="early",
                name="early",
                start=1,
                took=1,
            ),
        ],
    )
    (found,) = await box.traces.search_traces(TraceQuery(start=T0, end=T0 + 5))
    assert (found.service, found.name) == ("early", "early")


@pytest.mark.parametrize(
    ("wanted", "traces"),
    [
        pytest.param({}, [3, 2, 4, 1], id="errors-first-then-slowest"),
        pytest.param({"limit": 2}, [3, 2], id="limit"),
        pytest.param({"service": "orders"}, [3, 4, 1], id="service"),
        pytest.param({"service": "payments"}, [2, 4], id="service-that-is-not-the-root's"),
        pytest.param({"errors_only": True}, [3, 2], id="errors-only"),
        pytest.param({"errors_only": True, "service": "payments"}, [2], id="errors-of-service"),
        pytest.param({"trace_ids": (trace_id(1), trace_id(2), trace_id(9))}, [2, 1], id="exactly-those"),
        pytest.param(
            {"trace_ids": (trace_id(1),), "start": T0 + 50, "end": T0 + 60}, [1], id="those-at-any-time"
        ),
        pytest.param({"start": T0 + 1.5, "end": T0 + 2.5}, [2], id="window"),
        pytest.param({"start": T0 + 50, "end": T0 + 60}, [], id="nothing-there"),
        pytest.param({"service": "nobody"}, [], id="no-such-service"),
    ],
)
async def test_traces(box: Box, wanted: dict[str, object], traces: list[int]) -> None:
    box.hold_trace(trace_id(1), [root(1, start=1, took=0.5)])
    box.hold_trace(trace_id(2), [root(2, service="payments", start=2, took=1, error="no")])
    box.hold_trace(trace_id(3), [root(3, start=3, took=3, error="")])
    part = SpanFact(
        span="00000000000000ff", parent=f"{4:016x}", service="payments", name="pay", start=4, took=1
    )
    box.hold_trace(trace_id(4), [root(4, start=4, took=9), part])
    query = TraceQuery(**{"start": T0, "end": T0 + 10, **wanted})  # type: ignore[arg-type] - a table's columns
    found = await box.traces.search_traces(query)
    assert [one.trace_id for one in found] == [trace_id(number) for number in traces]


async def test_one_that_is_broken_says_so(box: Box) -> None:
    box.break_down()
    with pytest.raises(SourceError):
        await box.logs.search_logs(LogQuery(start=T0, end=T0 + 1))
    with pytest.raises(SourceError):
        await box.traces.search_traces(TraceQuery(start=T0, end=T0 + 1))
