"""Log lines and traces out of the embedded collector's SQLite file.

Reads only: the file belongs to the collector, which may be another process. Each question has a
connection of its own in a worker thread, so that neither the event loop nor another question waits.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

from shopwatch.catalogue import SERVICE_NAME
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import LabelSet, LogLine, LogQuery, TraceQuery, TraceSummary
from shopwatch_engine.sources.embedded_schema import SEVERITY_WARN

_NS: Final = 1_000_000_000
_INT64: Final = 2**63 - 1
_T = TypeVar("_T")

_LINES: Final = """
    SELECT at_ns, document FROM logs WHERE {conditions} ORDER BY at_ns DESC, id DESC LIMIT :limit
"""
_SUMMARIES: Final = """
    SELECT trace_id, min(start_ns), max(end_ns) - min(start_ns) AS took_ns, count(*), sum(failed) AS errors
    FROM spans WHERE trace_id IN ({traces})
    GROUP BY trace_id {having}
    ORDER BY errors > 0 DESC, took_ns DESC, trace_id LIMIT :limit
"""
# The root, or the earliest span where the root is not there (not sent yet, lost, or another's).
_HEAD: Final = """
    SELECT service, name FROM spans WHERE trace_id = ? ORDER BY parent_id != '', start_ns, span_id LIMIT 1
"""
# The first failure that says something: an outer span often fails without a word.
_FIRST_ERROR: Final = """
    SELECT error FROM spans WHERE trace_id = ? AND failed ORDER BY error = '', start_ns LIMIT 1
"""


class EmbeddedSource:
    """A LogSource and a TraceSource over the embedded collector's file.

    Args:
        path: the file; it need not be there yet, but a question then raises.
        timeout_s: seconds for one question, after which it is interrupted.
    """

    def __init__(self, path: Path, *, timeout_s: float = 5.0) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"EmbeddedSource({str(self._path)!r})"

    async def search_logs(self, query: LogQuery) -> tuple[LogLine, ...]:
        """The lines asked for, newest first (see ``LogSource``)."""
        return await self._read(lambda db: _logs(db, query))

    async def search_traces(self, query: TraceQuery) -> tuple[TraceSummary, ...]:
        """The traces asked for, those with errors first, then the slowest (see ``TraceSource``)."""
        return await self._read(lambda db: _traces(db, query))

    async def _read(self, ask: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return await asyncio.to_thread(self._ask, ask)
        except (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"the embedded collector's file {self._path.name}: {error}") from error

    def _ask(self, ask: Callable[[sqlite3.Connection], _T]) -> _T:
        # mode=ro: a file that is not there is an error, not a new and empty one.
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=self._timeout_s, check_same_thread=False)) as db:
            watchdog = threading.Timer(self._timeout_s, db.interrupt)
            watchdog.daemon = True
            watchdog.start()
            try:
                return ask(db)
            finally:
                watchdog.cancel()
                watchdog.join()  # it must not interrupt a connection that is closed


def _logs(db: sqlite3.Connection, query: LogQuery) -> tuple[LogLine, ...]:
    conditions = ["at_ns BETWEEN :start AND :end"]
    if query.service:
        conditions.append("service = :service")
    if query.trace_ids:
        conditions.append("trace_id != '' AND trace_id IN (SELECT value FROM json_each(:trace_ids))")
    if query.min_severity >= SEVERITY_WARN:
        conditions.append(f"severity >= {SEVERITY_WARN}")  # said as the index says it, so that it is used
    if query.min_severity > 0:
        conditions.append("severity >= :min_severity")
    text = _LINES.format(conditions=" AND ".join(conditions))
    parameters = _window(query) | {"min_severity": query.min_severity}
    return tuple(_log_line(at_ns, json.loads(document)) for at_ns, document in db.execute(text, parameters))


def _log_line(at_ns: int, document: Mapping[str, Any]) -> LogLine:
    return LogLine(
        at=at_ns / _NS,
        service=str(document["resource"]["attributes"].get(SERVICE_NAME, "")),
        severity_text=document["severity_text"],
        severity_number=document["severity_number"],
        body=document["body"]["text"],
        trace_id=document.get("trace_id", ""),
        span_id=document.get("span_id", ""),
        attributes=LabelSet.of({name: _text(value) for name, value in document["attributes"].items()}),
    )


def _traces(db: sqlite3.Connection, query: TraceQuery) -> tuple[TraceSummary, ...]:
    if query.trace_ids:
        wanted = "SELECT value FROM json_each(:trace_ids)"
    elif query.service:
        wanted = "SELECT trace_id FROM spans WHERE service = :service AND start_ns BETWEEN :start AND :end"
    else:
        wanted = "SELECT trace_id FROM spans WHERE start_ns BETWEEN :start AND :end"
    having = "HAVING errors > 0" if query.errors_only else ""
    found = db.execute(_SUMMARIES.format(traces=wanted, having=having), _window(query)).fetchall()
    return tuple(_summary(db, *row) for row in found)


def _summary(
    db: sqlite3.Connection, trace_id: str, start_ns: int, took_ns: int, spans: int, errors: int
) -> TraceSummary:
    service, name = db.execute(_HEAD, (trace_id,)).fetchone()
    error = db.execute(_FIRST_ERROR, (trace_id,)).fetchone()
    return TraceSummary(
        trace_id=trace_id,
        service=service,
        name=name,
        started_at=start_ns / _NS,
        duration_s=took_ns / _NS,
        spans=spans,
        errors=errors,
        error=error[0] if error else "",
    )


def _window(query: LogQuery | TraceQuery) -> dict[str, Any]:
    return {
        "start": _ns(query.start),
        "end": _ns(query.end),
        "service": query.service,
        "trace_ids": json.dumps(query.trace_ids),
        "limit": query.limit,
    }


def _ns(at: float) -> int:
    return min(max(int(at * _NS), 0), _INT64)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
