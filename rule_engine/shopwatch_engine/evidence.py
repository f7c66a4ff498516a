"""What is found about an incident once it is told: traces, log lines, links.

A page never waits for this and never fails by it: ``gather`` is bounded in time, does not raise, and
says in ``missing`` what could not be had. What to ask and what to keep is decided by pure functions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from shopwatch.catalogue import SERVICE_NAME, prometheus_label
from shopwatch_engine.clock import Clock
from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.links import Links
from shopwatch_engine.model import (
    Evidence,
    Exemplar,
    LabelSet,
    LogLine,
    LogQuery,
    Notification,
    NotifiedAlert,
    TraceQuery,
    TraceSummary,
)
from shopwatch_engine.ports import LogSource, MetricSource, TraceSource
from shopwatch_engine.promql import describe
from shopwatch_engine.redaction import MASK, names_secret, redacted

__all__ = [
    "Gatherer",
    "Links",
    "chosen_lines",
    "chosen_traces",
    "exemplar_expr",
    "exemplar_traces",
    "gather",
    "services_of",
    "window_start",
]

LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

LOOKBACK_S: Final = 300.0
"""How long before the first alert evidence begins: causes come before symptoms, `for` later still."""
LONGEST_S: Final = 6 * 3600.0
"""An incident may last days; what is worth a page's room is of the last hours."""
LINES: Final = 10
TRACES: Final = 5
LINE_LIMIT: Final = 500
"""Characters of one log line or error."""
_ERROR: Final = 17  # OpenTelemetry severity numbers
_WARN: Final = 13
_EXEMPLAR_TRACES: Final = 20
_ALERTS: Final = 5  # of a group, those that are looked into
_ATTRIBUTES: Final = 20
_FIRST_SHARE: Final = 0.6  # of the time, for what needs no other answer
_SERVICE_LABEL: Final = prometheus_label(SERVICE_NAME)
_RULE_LABELS: Final = ("alertname", "severity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherer:
    """``gather`` with its sources: what the outbox calls for each incident."""

    metrics: MetricSource | None
    logs: LogSource | None
    traces: TraceSource | None
    links: Links
    clock: Clock
    timeout_s: float = 5.0

    async def __call__(self, notification: Notification) -> Evidence:
        """What can be found about the incident by now. Never raises."""
        return await gather(
            notification=notification,
            now=self.clock.now(),
            metrics=self.metrics,
            logs=self.logs,
            traces=self.traces,
            links=self.links,
            timeout_s=self.timeout_s,
        )


async def gather(
    *,
    notification: Notification,
    now: float,
    metrics: MetricSource | None,
    logs: LogSource | None,
    traces: TraceSource | None,
    links: Links,
    since: float | None = None,
    timeout_s: float = 5.0,
) -> Evidence:
    """What can be found about an incident within a time. Never raises.

    Args:
        notification: the incident as its page tells it.
        now: the time; evidence is of the time up to it.
        metrics: whose exemplars name traces; None: there is none.
        logs: where log lines are; None: there is none.
        traces: where spans are; None: there is none.
        links: makes the links.
        since: where the evidence begins; by default ``window_start`` decides.
        timeout_s: seconds for everything together.
    """
    start = window_start(notification, now=now) if since is None else since
    search = _Search(notification=notification, start=start, end=now, until=_loop_time() + timeout_s)
    first_until = _loop_time() + timeout_s * _FIRST_SHARE
    exemplars, of_service, lines = await asyncio.gather(
        search.exemplars(metrics, first_until),
        search.service_traces(traces, first_until),
        search.service_lines(logs, first_until),
    )
    of_exemplars = await search.traces_by_id(traces, exemplar_traces(exemplars, notification.told))
    chosen = chosen_traces(of_exemplars, of_service)
    of_traces = await search.lines_by_trace(logs, tuple(trace.trace_id for trace in chosen))
    return Evidence(
        gathered_at=now,
        traces=tuple(_clean_trace(trace) for trace in chosen),
        logs=tuple(_clean_line(line) for line in chosen_lines(of_traces, lines)),
        links=links.links(notification, now=now, traces=chosen),
        missing=tuple(dict.fromkeys(search.missing)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """The questions about one incident, and what became of those that were not answered."""

    notification: Notification
    start: float
    end: float
    until: float
    missing: list[str] = field(default_factory=list)

    async def exemplars(self, metrics: MetricSource | None, until: float) -> tuple[Exemplar, ...]:
        if metrics is None:
            return ()
        return await self._had("exemplars", self._exemplars(metrics), (), until)

    async def _exemplars(self, metrics: MetricSource) -> tuple[Exemplar, ...]:
        expr = exemplar_expr(self.notification.told)
        return await metrics.exemplars(expr, self.start, self.end) if expr else ()

    async def service_traces(self, traces: TraceSource | None, until: float) -> tuple[TraceSummary, ...]:
        services = services_of(self.notification)
        if traces is None or not services:
            self.missing.append("traces: no source of traces is set" if traces is None else _NO_SERVICE)
            return ()
        asked = (self._trace_query(service=service) for service in services)
        found = await asyncio.gather(*(self._traces(traces, query, until) for query in asked))
        return tuple(trace for part in found for trace in part)

    async def service_lines(self, logs: LogSource | None, until: float) -> tuple[LogLine, ...]:
        """Errors before warnings, so that many of the latter do not hide the former."""
        services = services_of(self.notification)
        if logs is None or not services:
            self.missing.append("log lines: no source of logs is set" if logs is None else _NO_SERVICE)
            return ()
        asked = [
            self._log_query(service=service, min_severity=severity)
            for severity in (_ERROR, _WARN)
            for service in services
        ]
        found = await asyncio.gather(*(self._lines(logs, query, until) for query in asked))
        return tuple(line for part in found for line in part)

    async def traces_by_id(
        self, traces: TraceSource | None, trace_ids: tuple[str, ...]
    ) -> tuple[TraceSummary, ...]:
        if traces is None or not trace_ids:
            return ()
        return await self._traces(traces, self._trace_query(trace_ids=trace_ids), self.until)

    async def lines_by_trace(self, logs: LogSource | None, trace_ids: tuple[str, ...]) -> tuple[LogLine, ...]:
        if logs is None or not trace_ids:
            return ()
        return await self._lines(logs, self._log_query(trace_ids=trace_ids), self.until)

    async def _traces(self, traces: TraceSource, query: TraceQuery, until: float) -> tuple[TraceSummary, ...]:
        return await self._had("traces", traces.search_traces(query), (), until)

    async def _lines(self, logs: LogSource, query: LogQuery, until: float) -> tuple[LogLine, ...]:
        return await self._had("log lines", logs.search_logs(query), (), until)

    async def _had(self, what: str, asked: Awaitable[_T], otherwise: _T, until: float) -> _T:
        try:
            async with asyncio.timeout_at(until):
                return await asked
        except TimeoutError:
            self.missing.append(f"{what}: not answered in time")
        except SourceError as error:
            self.missing.append(f"{what}: {redacted(error.reason, limit=LINE_LIMIT)}")
        except Exception as error:
            LOG.exception("evidence: %s", what)
            self.missing.append(f"{what}: {type(error).__name__}, see the engine's log")
        return otherwise

    def _trace_query(self, *, service: str = "", trace_ids: tuple[str, ...] = ()) -> TraceQuery:
        return TraceQuery(start=self.start, end=self.end, service=service, trace_ids=trace_ids, limit=TRACES)

    def _log_query(
        self, *, service: str = "", trace_ids: tuple[str, ...] = (), min_severity: int = 0
    ) -> LogQuery:
        return LogQuery(
            start=self.start,
            end=self.end,
            service=service,
            trace_ids=trace_ids,
            min_severity=min_severity,
            limit=LINES,
        )


_NO_SERVICE: Final = "traces and log lines of the service: no alert names one (service_name, service or job)"


def window_start(notification: Notification, *, now: float) -> float:
    """Where the evidence of an incident begins: a little before its first alert."""
    began = min((alert.starts_at for alert in notification.told), default=notification.opened_at)
    return max(began - LOOKBACK_S, now - LONGEST_S)


def services_of(notification: Notification) -> tuple[str, ...]:
    """The services that the alerts are about, as ``service.name`` has them, at most three."""
    named = (_service(alert.labels) for alert in notification.told)
    return tuple(dict.fromkeys(name for name in named if name))[:3]


def _service(labels: LabelSet) -> str:
    # A job is "<namespace>/<service>" or "<service>" where OpenTelemetry's mapping is followed.
    return labels.get(_SERVICE_LABEL) or labels.get("service") or labels.get("job").rpartition("/")[2]


def exemplar_expr(alerts: Sequence[NotifiedAlert]) -> str:
    """One expression that selects the series whose exemplars bear on the alerts; "" if there is none."""
    selectors = (
        _narrowed(_with_buckets(selector), alert.labels)
        for alert in alerts[:_ALERTS]
        for selector in (_selectors(alert.expr) if alert.expr else ())
    )
    return " or ".join(dict.fromkeys(selectors))


def _selectors(expr: str) -> tuple[str, ...]:
    try:
        return describe(expr).selectors
    except ValueError:  # evaluated by another ruler, whose PromQL is newer than our parser
        return ()


def _with_buckets(selector: str) -> str:
    """A histogram keeps its exemplars with its buckets, whichever of its series is alerted on."""
    name, brace, rest = selector.partition("{")
    for suffix in ("_count", "_sum"):
        if name.endswith(suffix):
            return f"{name.removesuffix(suffix)}_bucket{brace}{rest}"
    return selector


def _narrowed(selector: str, labels: LabelSet) -> str:
    """The selector for the alert's own service alone, where it does not name one."""
    service = labels.get(_SERVICE_LABEL)
    name, _, rest = selector.partition("{")
    if not service or _SERVICE_LABEL in rest or " or " in rest:
        return selector
    matcher = str(LabelSet.of({_SERVICE_LABEL: service}))[1:-1]
    inside = rest.rpartition("}")[0].rstrip(", ")
    return f"{name}{{{inside},{matcher}}}" if inside else f"{name}{{{matcher}}}"


def exemplar_traces(exemplars: Iterable[Exemplar], alerts: Sequence[NotifiedAlert]) -> tuple[str, ...]:
    """The traces to look at: half of them those with the highest values, half the newest.

    Exemplars of series whose labels contradict every alert's are another's.
    """
    own = [one for one in exemplars if any(_agree(one.labels, alert.labels) for alert in alerts)]
    by_value = sorted(own, key=lambda one: one.value, reverse=True)[: _EXEMPLAR_TRACES // 2]
    by_time = sorted(own, key=lambda one: one.at, reverse=True)
    ids = dict.fromkeys(one.trace_id for one in (*by_value, *by_time))
    return tuple(ids)[:_EXEMPLAR_TRACES]


def _agree(series: LabelSet, alert: LabelSet) -> bool:
    return all(alert.get(name, value) == value for name, value in series if name not in _RULE_LABELS)


def chosen_traces(
    of_exemplars: Iterable[TraceSummary], of_service: Iterable[TraceSummary]
) -> tuple[TraceSummary, ...]:
    """Those that the alerting series themselves name, then the service's worst."""
    unique: dict[str, TraceSummary] = {}
    for trace in (*sorted(of_exemplars, key=_worst_first), *sorted(of_service, key=_worst_first)):
        unique.setdefault(trace.trace_id, trace)
    return tuple(unique.values())[:TRACES]


def _worst_first(trace: TraceSummary) -> tuple[bool, float]:
    return (trace.errors == 0, -trace.duration_s)


def chosen_lines(of_traces: Iterable[LogLine], of_service: Iterable[LogLine]) -> tuple[LogLine, ...]:
    """The lines worth a page's room, newest first; of lines that say the same, the newest.

    First what the chosen traces complain of, then the service's errors, then all else.
    """
    ours, theirs = tuple(of_traces), tuple(of_service)
    ranked = (
        *(line for line in ours if line.severity_number >= _WARN),
        *(line for line in theirs if line.severity_number >= _ERROR),
        *ours,
        *theirs,
    )
    unique: dict[tuple[str, str], LogLine] = {}
    for line in ranked:
        unique.setdefault((line.service, line.body), line)
    return tuple(sorted(tuple(unique.values())[:LINES], key=lambda line: line.at, reverse=True))


def _clean_line(line: LogLine) -> LogLine:
    attributes = {
        name: MASK if names_secret(name) else redacted(value, limit=LINE_LIMIT)
        for name, value in line.attributes.pairs[:_ATTRIBUTES]
    }
    body = redacted(line.body, limit=LINE_LIMIT)
    return replace(line, body=body, attributes=LabelSet.of(attributes))


def _clean_trace(trace: TraceSummary) -> TraceSummary:
    return replace(
        trace,
        name=redacted(trace.name, limit=LINE_LIMIT),
        error=redacted(trace.error, limit=LINE_LIMIT),
    )


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
