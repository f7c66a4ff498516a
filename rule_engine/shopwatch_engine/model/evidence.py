"""What a page carries besides its words: traces, log lines, links; and how they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from shopwatch_engine.model.labels import NO_LABELS, LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A trace that a histogram or counter remembers."""

    labels: LabelSet  # the series'
    trace_id: str  # 32 hexadecimal digits
    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which log lines are wanted: newest first, at most ``limit``.

    ``trace_ids`` empty: of any trace. ``service`` empty: of any service. ``min_severity`` is an
    OpenTelemetry severity number (17: ERROR).
    """

    start: float
    end: float
    service: str = ""
    trace_ids: tuple[str, ...] = ()
    min_severity: int = 0
    limit: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One log document, in the shape of the Collector's ``otel`` mapping, flattened for a person."""

    at: float
    service: str
    severity_text: str
    severity_number: int
    body: str
    trace_id: str = ""
    span_id: str = ""
    attributes: LabelSet = NO_LABELS


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """Which traces are wanted: at most ``limit``, errors first, then the slowest.

    With ``trace_ids`` exactly those; otherwise any that the service had a span in.
    """

    start: float
    end: float
    service: str = ""
    trace_ids: tuple[str, ...] = ()
    errors_only: bool = False
    limit: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """A trace in a line."""

    trace_id: str
    service: str  # of the root span, or of the earliest span that is there
    name: str  # the root span's
    started_at: float
    duration_s: float
    spans: int
    errors: int
    error: str = ""  # the first error's message


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link on a page."""

    text: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found about an incident; ``missing`` says what could not be had, and why."""

    gathered_at: float
    traces: tuple[TraceSummary, ...] = ()
    logs: tuple[LogLine, ...] = ()
    links: tuple[Link, ...] = ()
    missing: tuple[str, ...] = ()
