"""Log records of the service with trace and span ids: as JSON lines, and as OTLP records.

Both have the shape of the Collector's Elasticsearch exporter in ``otel`` mode: ``@timestamp``,
``body.text``, ``severity_text``, ``severity_number``, ``attributes.*``, ``resource.attributes.*``,
``scope.name``, ``trace_id``, ``span_id``.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Protocol, TextIO

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import SpanContext

from shopwatch import catalogue
from shopwatch.guard import Guard
from shopwatch.text import printable
from shopwatch.tracing import error_type

Value = str | int | float | bool
Attributes = dict[str, Value]

_CONTEXT: Final = "shopwatch_context"
_FIELDS: Final = "shopwatch_fields"
_STAMPS: Final = ("trace_id", "span_id")
_OWN: Final = {_CONTEXT, _FIELDS, *_STAMPS, "message", "asctime", "taskName"}
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | _OWN
_SEVERITIES: Final = (
    (logging.CRITICAL, "FATAL", SeverityNumber.FATAL),
    (logging.ERROR, "ERROR", SeverityNumber.ERROR),
    (logging.WARNING, "WARN", SeverityNumber.WARN),
    (logging.INFO, "INFO", SeverityNumber.INFO),
    (logging.DEBUG, "DEBUG", SeverityNumber.DEBUG),
    (logging.NOTSET, "TRACE", SeverityNumber.TRACE),
)
_LOWEST: Final = _SEVERITIES[-1][1:]
_BY_LEVEL: Final = {level: (text, number) for level, text, number in _SEVERITIES}
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class Outlet(Protocol):
    """Takes records to be exported."""

    def put(self, logger: str, record: LogRecord) -> None:
        """Queue a record of a logger; never waits."""
        ...


def severity(level: int) -> tuple[str, SeverityNumber]:
    """OpenTelemetry's severity of a level of ``logging``."""
    known = _BY_LEVEL.get(level)
    if known is not None:
        return known
    return next(((text, number) for low, text, number in _SEVERITIES if level >= low), _LOWEST)


def access_record(level: int, text: str, fields: Attributes, context: Context) -> logging.LogRecord:
    """A record of the access logger, made without a look at the stack.

    Args:
        level: of ``logging``.
        text: the line for a person.
        fields: its attributes.
        context: holds the request's span.
    """
    record = logging.LogRecord(catalogue.ACCESS_LOGGER, level, "", 0, text, None, None)
    own = record.__dict__
    own[_FIELDS] = fields
    own[_CONTEXT] = context
    return record


def exception_attributes(error: BaseException) -> Attributes:
    """What a log record says of an exception."""
    return {
        catalogue.EXCEPTION_TYPE: error_type(error),
        catalogue.EXCEPTION_MESSAGE: printable(str(error)),
        catalogue.EXCEPTION_STACKTRACE: printable("".join(traceback.format_exception(error))),
    }


class LogPipe(logging.Handler):
    """The one handler that the library puts on the root logger.

    Each record is stamped with ``trace_id`` and ``span_id`` (empty outside a request), so that handlers
    after it can use them; then it goes to the outlet and to the stream, where there is one.

    Args:
        resource: attributes of every record.
        outlet: where records are exported.
        stream: where JSON lines are written.
        guard: takes what goes wrong.
    """

    def __init__(
        self, *, resource: Mapping[str, str], outlet: Outlet | None, stream: TextIO | None, guard: Guard
    ) -> None:
        super().__init__()
        self._outlet = outlet
        self._stream = stream
        self._guard = guard
        self._tail = f',"resource":{_encode({"attributes": dict(resource)})}}}\n'

    def emit(self, record: logging.LogRecord) -> None:
        """Stamp, export and write one record."""
        try:
            self._pass_on(record)
        except Exception as error:  # noqa: BLE001 - a log line must never fail who logs
            self._guard.caught("logging", error)

    def _pass_on(self, record: logging.LogRecord) -> None:
        own = record.__dict__
        context = own.get(_CONTEXT) or otel_context.get_current()
        span = trace.get_current_span(context).get_span_context()
        _stamp(own, span)
        if self._stream is None and self._outlet is None:
            return
        text, attributes = printable(_message(record)), own.get(_FIELDS) or _attributes(record)
        # What the exporting thread logs is not exported: a fault of the export would export itself.
        if self._outlet is not None and not context.get(_SUPPRESS_INSTRUMENTATION_KEY):
            self._outlet.put(record.name, _otlp(record, text, attributes, context))
        if self._stream is not None:
            self._stream.write(self._line(record, text, attributes))
            self._stream.flush()

    def _line(self, record: logging.LogRecord, text: str, attributes: Attributes) -> str:
        name, number = severity(record.levelno)
        document: dict[str, object] = {
            catalogue.LOG_TIMESTAMP: _timestamp(record.created),
            "body": {"text": text},
            catalogue.LOG_SEVERITY_TEXT: name,
            catalogue.LOG_SEVERITY_NUMBER: number.value,
        }
        own = record.__dict__
        document.update((stamp, own[stamp]) for stamp in _STAMPS if own[stamp])
        document["scope"] = {"name": record.name}
        document[catalogue.LOG_ATTRIBUTES] = attributes
        return _encode(document)[:-1] + self._tail


def _stamp(own: dict[str, object], span: SpanContext) -> None:
    own["trace_id"] = f"{span.trace_id:032x}" if span.trace_id else ""
    own["span_id"] = f"{span.span_id:016x}" if span.span_id else ""


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit the text, or whose str() fails
        return f"{record.msg!s} (its arguments do not fit)"


def _otlp(record: logging.LogRecord, text: str, attributes: Attributes, context: Context) -> LogRecord:
    name, number = severity(record.levelno)
    created = int(record.created * 1e9)
    return LogRecord(
        timestamp=created,
        observed_timestamp=created,
        context=context,
        severity_text=name,
        severity_number=number,
        body=text,
        attributes=attributes,
    )


def _attributes(record: logging.LogRecord) -> Attributes:
    """Where the record was made, its ``extra`` fields, and its exception."""
    attributes: Attributes = {
        catalogue.CODE_FILE: record.pathname,
        catalogue.CODE_FUNCTION: record.funcName or "",
        catalogue.CODE_LINE: record.lineno,
    }
    for name, value in record.__dict__.items():
        if name not in _STANDARD:
            attributes[name] = _value(value)
    if record.exc_info and record.exc_info[1] is not None:
        attributes.update(exception_attributes(record.exc_info[1]))
    return attributes


def _value(value: object) -> Value:
    if isinstance(value, bool | int | float):
        return value
    return printable(str(value))


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def _timestamp(created: float) -> str:
    """RFC 3339 in UTC with microseconds."""
    whole = int(created)
    return f"{_second(whole)}.{int((created - whole) * 1e6):06d}Z"
