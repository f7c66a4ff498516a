"""The one line that each request leaves: as JSON on the stream, and as an OTLP record.

Neither is made while the request waits: the request is queued, and lines are written by a thread, some
tenths of a second later at most. The lines of errors are written at once. A service that has put handlers
of its own in their way gets standard log records instead.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context

from shopwatch import catalogue, logs
from shopwatch.guard import Guard
from shopwatch.log_entry import LogEntry
from shopwatch.logs import LogPipe
from shopwatch.spans import Outcome, RequestSpan

_access: Final = logging.getLogger(catalogue.ACCESS_LOGGER)
_root: Final = logging.getLogger()

ALL: Final = "all"
ERRORS: Final = "errors"
NONE: Final = "none"


class Queue(Protocol):
    """Takes requests that have ended."""

    def put(self, item: RequestSpan) -> None:
        """Queue one; never waits."""
        ...


class AccessLog:
    """Takes each request that has ended.

    Args:
        mode: ``all``, ``errors`` or ``none`` of the requests leave a line.
        pipe: the library's handler on the root logger; None when there is none.
        exported: the queue of what is exported.
        written: the queue of what is written to the pipe's stream.
        guard: takes what writing raises.
    """

    def __init__(
        self,
        mode: str = ALL,
        *,
        pipe: LogPipe | None = None,
        exported: Queue | None = None,
        written: Queue | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.wanted = mode != NONE
        """Whether any request leaves a line."""
        self._least = {ALL: logging.INFO, ERRORS: logging.ERROR}.get(mode, logging.CRITICAL)
        self._pipe = pipe
        self._exported = exported
        self._written = written
        self._guard = guard or Guard()

    def take(self, span: RequestSpan, outcome: Outcome) -> None:
        """Leave the line of a request that has ended with this outcome."""
        level = outcome.level
        if level < self._least or not _access.isEnabledFor(level):
            return
        pipe = self._pipe
        handlers = _root.handlers
        if (
            pipe is None
            or len(handlers) != 1
            or handlers[0] is not pipe
            or _access.handlers
            or _access.filters
        ):
            record = logs.access_record(level, _text(span), _fields(span), _context_of(span))
            _access.handle(record)
            return
        if span.relayed is not None:
            span.get_span_context()  # finds the caller's ids
        if self._exported is not None:
            self._exported.put(span)
        if self._written is None:
            return
        if outcome.is_error:
            with self._guard.over("writing a line"):
                pipe.write(line_of(span, pipe.tail))
        else:
            self._written.put(span)

    def failure(self, text: str, fields: Mapping[str, Any], span: RequestSpan) -> None:
        """Log what went wrong after a request's answer."""
        _access.handle(logs.access_record(logging.ERROR, text, dict(fields), _context_of(span)))


def _context_of(span: RequestSpan) -> Context:
    return set_span_in_context(span.foreign or span, Context())


def entry_of(span: RequestSpan) -> LogEntry:
    """The line of a request as a log record."""
    outcome = span.outcome
    assert outcome is not None  # noqa: S101 - it has ended
    text, number = logs.severity(outcome.level)
    ended = span.started + span.elapsed
    return LogEntry(
        time_ns=ended,
        observed_ns=ended,
        severity_number=number.value,
        severity_text=text,
        body=_text(span),
        attributes=_fields(span),
        trace_id=span.trace_id,
        span_id=span.span_id if span.trace_id else 0,
        flags=span.flags,
        scope=catalogue.ACCESS_LOGGER,
    )


def _text(span: RequestSpan) -> str:
    outcome = span.outcome
    assert outcome is not None  # noqa: S101 - it has ended
    return f"{outcome.text}{span.elapsed / 1e6:.1f} ms"


def _fields(span: RequestSpan) -> dict[str, Any]:
    outcome = span.outcome
    assert outcome is not None  # noqa: S101 - it has ended
    fields = {
        **outcome.attributes,
        catalogue.URL_PATH: span.shown_path(),
        catalogue.HTTP_SERVER_DURATION.name: span.elapsed / 1e9,
        **(span.line_attributes or {}),
    }
    del fields[catalogue.URL_SCHEME]
    return fields


def write_lines(pipe: LogPipe, batch: Sequence[RequestSpan]) -> bool:
    """Write the lines of requests to the pipe's stream, at once."""
    tail = pipe.tail
    pipe.write("".join([line_of(span, tail) for span in batch]))
    return True


def line_of(span: RequestSpan, tail: str) -> str:
    """The JSON line of a request; ``tail`` ends it with the resource."""
    outcome = span.outcome
    assert outcome is not None  # noqa: S101 - it has ended
    seconds = span.elapsed / 1e9
    at = logs.timestamp(span.started + span.elapsed)
    ids = f'"trace_id":"{span.trace_id:032x}","span_id":"{span.span_id:016x}",' if span.trace_id else ""
    more = span.line_attributes
    said = "" if more is None else "," + logs.json_object(more)[1:-1]
    return (
        f'{{"{catalogue.LOG_TIMESTAMP}":"{at}",{outcome.json_body}{seconds * 1e3:.1f} ms"}},'
        f"{outcome.json_middle}{ids}{outcome.json_attributes}"
        f'"{catalogue.URL_PATH}":{logs.json_text(span.shown_path())},'
        f'"{catalogue.HTTP_SERVER_DURATION.name}":{seconds!r}{said}}}{tail}'
    )
