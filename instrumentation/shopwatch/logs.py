"""Log records of the service with trace and span ids: as JSON lines, and as OTLP records.

Both have the shape of the Collector's Elasticsearch exporter in ``otel`` mode: ``@timestamp``,
``body.text``, ``severity_text``, ``severity_number``, ``attributes.*``, ``resource.attributes.*``,
``scope.name``, ``trace_id``, ``span_id``.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, Protocol, TextIO

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import SpanContext

from shopwatch import catalogue
from shopwatch.guard import Guard
from shopwatch.log_entry import LogEntry
from shopwatch.log_repeats import Held, Repeats
from shopwatch.redaction import DEFAULT, Redactor
from shopwatch.spans import request_route
from shopwatch.text import printable
from shopwatch.tracing import error_type

Attributes = dict[str, Any]

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
_LONGEST: Final = 32_768  # characters of a line's text
_LONGEST_STACK: Final = 16_384  # characters of a stack trace
_MOST_CAUSES: Final = 16
_DEEPEST: Final = 16  # levels of nested fields


class Outlet(Protocol):
    """Takes records to be exported."""

    def put(self, item: LogEntry) -> None:
        """Queue a record; never waits."""
        ...


def json_text(value: str) -> str:
    """A text as JSON, quotes included."""
    return encode_basestring(printable(value))


def json_object(fields: Mapping[str, Any]) -> str:
    """Fields as a JSON object; what JSON has no word for becomes text."""
    return _encode(_plain(fields))


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


def exception_attributes(error: BaseException, redactor: Redactor = DEFAULT) -> Attributes:
    """What a log record says of an exception: type, message, stack trace, and the chain of its causes."""
    stack = redactor.text(printable("".join(traceback.format_exception(error))))
    said: Attributes = {
        catalogue.EXCEPTION_TYPE: error_type(error),
        catalogue.EXCEPTION_MESSAGE: redactor.text(_cut(printable(_said(error)), _LONGEST)),
        catalogue.EXCEPTION_STACKTRACE: _cut(stack, _LONGEST_STACK),
    }
    causes = [
        redactor.text(_cut(printable(f"{error_type(cause)}: {_said(cause)}"), 1_024))
        for cause in _causes(error)
    ]
    if causes:
        said[catalogue.EXCEPTION_CAUSES] = causes
    return said


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose text cannot be had is still worth its type
        return "(its text cannot be had)"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What caused an exception, nearest first; of a group its members."""
    seen = {id(error)}
    waiting = [error]
    while waiting and len(seen) <= _MOST_CAUSES:
        above = waiting.pop(0)
        cause = above.__cause__ or (None if above.__suppress_context__ else above.__context__)
        members = above.exceptions if isinstance(above, BaseExceptionGroup) else ()
        for found in (*((cause,) if cause is not None else ()), *members):
            if id(found) not in seen:
                seen.add(id(found))
                waiting.append(found)
                yield found


def _cut(text: str, most: int) -> str:
    """The text, or its two ends with a word on what is missing between."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... [{len(text) - 2 * half} characters left out] ... {text[-half:]}"


class LogPipe(logging.Handler):
    """The one handler that the library puts on the root logger.

    Each record is stamped with ``trace_id`` and ``span_id`` (empty outside a request), so that handlers
    after it can use them; then it goes to the outlet and to the stream, where there is one, with secrets
    masked. Lines that repeat too often are held back and counted.

    Args:
        resource: attributes of every record.
        outlet: where records are exported.
        stream: where JSON lines are written.
        guard: takes what goes wrong.
        redactor: masks secrets.
        repeats: how often a line may be repeated; None for as often as it likes.
    """

    def __init__(
        self,
        *,
        resource: Mapping[str, str],
        outlet: Outlet | None,
        stream: TextIO | None,
        guard: Guard,
        redactor: Redactor = DEFAULT,
        repeats: Repeats | None = None,
    ) -> None:
        super().__init__()
        self.outlet = outlet
        self.stream = stream
        self._guard = guard
        self._redactor = redactor
        self._repeats = repeats
        self.tail = f',"resource":{_encode({"attributes": dict(resource)})}}}\n'
        """Ends every JSON line: the resource."""

    def emit(self, record: logging.LogRecord) -> None:
        """Stamp, export and write one record."""
        try:
            self._pass_on(record)
        except Exception as error:  # noqa: BLE001 - a log line must never fail who logs
            self._guard.caught("logging", error)

    def write(self, lines: str) -> None:
        """Write lines that are JSON already."""
        if self.stream is None:
            return
        with self.lock or threading.RLock():
            self.stream.write(lines)
            self.stream.flush()

    def close(self) -> None:
        """Say what was held back."""
        if self._repeats is not None:
            self._tell(self._repeats.close())
        super().close()

    def _pass_on(self, record: logging.LogRecord) -> None:
        own = record.__dict__
        context = own.get(_CONTEXT) or otel_context.get_current()
        span = trace.get_current_span(context).get_span_context()
        _stamp(own, span)
        if self.stream is None and self.outlet is None:
            return
        text = _message(record)
        if self._repeats is not None and record.name != catalogue.ACCESS_LOGGER:
            passes, held = self._repeats.passes(_alike(record, text), record.levelname, time.monotonic())
            self._tell(held)
            if not passes:
                return
        self._send(self._entry(record, text, span, context), context)

    def _entry(self, record: logging.LogRecord, said: str, span: SpanContext, context: Context) -> LogEntry:
        text, number = severity(record.levelno)
        created = int(record.created * 1e9)
        return LogEntry(
            time_ns=created,
            observed_ns=created,
            severity_number=number.value,
            severity_text=text,
            body=self._redactor.text(_cut(printable(said), _LONGEST)),
            attributes=record.__dict__.get(_FIELDS) or self._fields(record, context),
            trace_id=span.trace_id,
            span_id=span.span_id,
            flags=span.trace_flags,
            scope=record.name,
        )

    def _send(self, entry: LogEntry, context: Context) -> None:
        # What the exporting thread logs is not exported: a fault of the export would export itself.
        if self.outlet is not None and not context.get(_SUPPRESS_INSTRUMENTATION_KEY):
            self.outlet.put(entry)
        if self.stream is not None:
            self.stream.write(_line(entry, self.tail))
            self.stream.flush()

    def _tell(self, held: tuple[Held, ...]) -> None:
        for group in held:
            text = f"{group.count} more lines like this were held back: {group.example}"
            record = logging.LogRecord(group.logger, group.level, "", 0, text, None, None)
            record.__dict__[_FIELDS] = {catalogue.LOGS_HELD_BACK.name: group.count}
            context = Context()
            self._send(self._entry(record, text, trace.INVALID_SPAN_CONTEXT, context), context)

    def _fields(self, record: logging.LogRecord, context: Context) -> Attributes:
        """Where the record was made, its ``extra`` fields, the request's route, and its exception."""
        fields: Attributes = {
            catalogue.CODE_FILE: record.pathname,
            catalogue.CODE_FUNCTION: record.funcName or "",
            catalogue.CODE_LINE: record.lineno,
        }
        route = request_route(context)
        if route:
            fields[catalogue.HTTP_ROUTE] = route
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                fields[name] = self._redactor.field(name, _plain(value))
        if record.exc_info and record.exc_info[1] is not None:
            fields.update(exception_attributes(record.exc_info[1], self._redactor))
        return fields


def _line(entry: LogEntry, tail: str) -> str:
    ids = (
        f'"trace_id":"{entry.trace_id:032x}","span_id":"{entry.span_id:016x}",'
        if entry.trace_id and entry.span_id
        else ""
    )
    return (
        f'{{"{catalogue.LOG_TIMESTAMP}":"{timestamp(entry.time_ns)}","body":{{"text":{json_text(entry.body)}}},'
        f'"{catalogue.LOG_SEVERITY_TEXT}":"{entry.severity_text}",'
        f'"{catalogue.LOG_SEVERITY_NUMBER}":{entry.severity_number},{ids}'
        f'"scope":{{"name":{json_text(entry.scope)}}},'
        f'"{catalogue.LOG_ATTRIBUTES}":{json_object(entry.attributes)}{tail}'
    )


def _alike(record: logging.LogRecord, text: str) -> tuple[object, ...]:
    """What lines that repeat have in common: logger, level, text, kind of exception.

    Of warnings and errors the text before its arguments; other lines are data as long as they differ.
    """
    kind = record.exc_info[0] if record.exc_info else None
    template = record.msg if record.levelno >= logging.WARNING and isinstance(record.msg, str) else text
    return record.name, record.levelno, template, kind


def _stamp(own: dict[str, object], span: SpanContext) -> None:
    own["trace_id"] = f"{span.trace_id:032x}" if span.trace_id else ""
    own["span_id"] = f"{span.span_id:016x}" if span.span_id else ""


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit the text, or whose str() fails
        return f"{record.msg!s} (its arguments do not fit)"


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: ANN401, PLR0911 - whatever a service logs; one line a type
    """A value that JSON and OTLP both have a word for."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _cut(printable(value), _LONGEST)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {printable(str(key)): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner, depth + 1) for inner in value]
    return printable(str(value))


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def timestamp(time_ns: int) -> str:
    """RFC 3339 in UTC with microseconds, of nanoseconds since the epoch."""
    whole, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(whole)}.{rest // 1_000:06d}Z"
