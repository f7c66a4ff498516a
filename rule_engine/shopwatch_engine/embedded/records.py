"""From OTLP's messages to rows: one span or log record each. Pure.

Log documents have the shape of the Collector's Elasticsearch exporter in ``otel`` mapping mode.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from shopwatch.catalogue import (
    EXCEPTION_MESSAGE,
    EXCEPTION_TYPE,
    LOG_SEVERITY_NUMBER,
    LOG_SEVERITY_TEXT,
    LOG_SPAN_ID,
    LOG_TIMESTAMP,
    LOG_TRACE_ID,
    SERVICE_NAME,
)

_INT64: Final = 2**63 - 1
_NS: Final = 1_000_000_000
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a datetime can say
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SEVERITY_NAMES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Rows to insert, in the order of the columns; ``rejected`` counts spans without valid ids."""

    logs: tuple[Row, ...] = ()
    spans: tuple[Row, ...] = ()
    rejected: int = 0

    def __len__(self) -> int:
        return len(self.logs) + len(self.spans)


def records_of_logs(request: ExportLogsServiceRequest, *, received_at: float) -> Records:
    """The rows of a request's log records."""
    return Records(
        logs=tuple(
            _log_row(record, resource, received_at)
            for group in request.resource_logs
            for resource in [_attributes(group.resource.attributes)]
            for scope in group.scope_logs
            for record in scope.log_records
        )
    )


def records_of_traces(request: ExportTraceServiceRequest, *, received_at: float) -> Records:
    """The rows of a request's spans; one whose ids are not valid cannot be found again and is rejected."""
    spans = [
        (span, _service(group.resource.attributes))
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    valid = [(span, service) for span, service in spans if _id(span.trace_id, 16) and _id(span.span_id, 8)]
    return Records(
        spans=tuple(_span_row(span, service, received_at) for span, service in valid),
        rejected=len(spans) - len(valid),
    )


def _log_row(record: LogRecord, resource: Mapping[str, object], received_at: float) -> Row:
    at_ns = _time_ns(record.time_unix_nano or record.observed_time_unix_nano, received_at)
    trace_id, span_id = _id(record.trace_id, 16), _id(record.span_id, 8)
    severity = min(max(int(record.severity_number), 0), 24)
    document = {
        LOG_TIMESTAMP: _iso(at_ns),
        "body": _body(record.body),
        LOG_SEVERITY_TEXT: record.severity_text or _severity_name(severity),
        LOG_SEVERITY_NUMBER: severity,
        "attributes": _attributes(record.attributes),
        "resource": {"attributes": resource},
    }
    if trace_id:
        document[LOG_TRACE_ID] = trace_id
    if span_id:
        document[LOG_SPAN_ID] = span_id
    service = str(resource.get(SERVICE_NAME, ""))
    return (received_at, at_ns, service, severity, trace_id, _json(document))


def _span_row(span: Span, service: str, received_at: float) -> Row:
    start_ns = _time_ns(span.start_time_unix_nano, received_at)
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return (
        received_at,
        _id(span.trace_id, 16),
        _id(span.span_id, 8),
        _id(span.parent_span_id, 8),
        service,
        span.name,
        _kind(span.kind),
        start_ns,
        max(min(span.end_time_unix_nano, _INT64), start_ns),
        int(failed),
        _error(span) if failed else "",
        _json(_attributes(span.attributes)),
    )


def _error(span: Span) -> str:
    """What a failed span says of its failure: its status, else the exception it recorded."""
    if span.status.message:
        return span.status.message
    for event in span.events:
        said = _attributes(event.attributes)
        if EXCEPTION_TYPE in said or EXCEPTION_MESSAGE in said:
            words = (said.get(EXCEPTION_TYPE), said.get(EXCEPTION_MESSAGE))
            return ": ".join(str(word) for word in words if word)
    return ""


def _body(body: AnyValue) -> dict[str, object]:
    """``text`` for what is text; ``structured`` as well for what has parts."""
    value = _value(body)
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, dict | list):
        return {"text": _json(value), "structured": value}
    return {"text": "" if value is None else _json(value)}


def _service(attributes: Iterable[KeyValue]) -> str:
    return str(_attributes(attributes).get(SERVICE_NAME, ""))


def _attributes(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> object:
    """An attribute's value as JSON can say it; None for what is not set."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(member) for member in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if kind == "double_value" and not math.isfinite(value.double_value):
        return str(value.double_value)
    return getattr(value, kind) if kind else None


def _id(raw: bytes, length: int) -> str:
    """A trace or span id in hexadecimal; "" unless it has its length and a bit that is set."""
    return raw.hex() if len(raw) == length and any(raw) else ""


def _time_ns(time_ns: int, received_at: float) -> int:
    return min(time_ns or int(received_at * _NS), _INT64)


def _iso(at_ns: int) -> str:
    """RFC 3339 with nanoseconds, as the Collector writes it."""
    seconds, rest = divmod(at_ns, _NS)
    moment = _EPOCH + timedelta(seconds=min(seconds, _LAST_SECOND))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _severity_name(number: int) -> str:
    return _SEVERITY_NAMES[(number - 1) // 4] if number else ""


def _kind(number: int) -> str:
    names: Iterator[str] = (name for name, value in Span.SpanKind.items() if value == number)
    return next(names, "SPAN_KIND_UNSPECIFIED").removeprefix("SPAN_KIND_").lower()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
