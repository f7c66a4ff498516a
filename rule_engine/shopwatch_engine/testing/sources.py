"""Sources that answer what they were told to: for tests and simulations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import promql_parser

from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.model import (
    Exemplar,
    LabelSet,
    LogLine,
    LogQuery,
    Sample,
    TraceQuery,
    TraceSummary,
)

Answer = tuple[Sample, ...] | SourceError | Callable[[float], tuple[Sample, ...]]
"""What an expression answers: samples, an error, or a function of the time that gives samples."""


class FakeMetricSource:
    """A MetricSource that knows the answers of some expressions, alone or batched.

    It understands what a batch is made of (``or``, parentheses, ``label_replace`` with a constant), so
    that the engine asks it as it asks Prometheus. An expression it was not told of has no samples.

    Args:
        answers: by expression; how it is written does not matter.
        exemplars: what ``exemplars`` picks from, by time alone.
    """

    def __init__(
        self, answers: Mapping[str, Answer] | None = None, *, exemplars: Iterable[Exemplar] = ()
    ) -> None:
        self._answers: dict[str, Answer] = {}
        self._exemplars = tuple(exemplars)
        self.queries: list[tuple[str, float]] = []
        self.exemplar_queries: list[str] = []
        self.down: SourceError | None = None
        self.latency_s = 0.0
        for expr, answer in (answers or {}).items():
            self.tell(expr, answer)

    def tell(self, expr: str, answer: Answer) -> None:
        """From now on, ``expr`` answers this."""
        self._answers[_key(promql_parser.parse(expr))] = answer

    async def query(self, expr: str, at: float) -> tuple[Sample, ...]:
        """The samples of ``expr`` (see ``MetricSource``)."""
        self.queries.append((expr, at))
        await self._reached()
        return self._evaluated(_parsed(expr), at)

    async def exemplars(self, expr: str, start: float, end: float) -> tuple[Exemplar, ...]:
        """The exemplars between two times, newest first (see ``MetricSource``)."""
        self.exemplar_queries.append(expr)
        await self._reached()
        _parsed(expr)
        found = [one for one in self._exemplars if start <= one.at <= end]
        return tuple(sorted(found, key=lambda one: one.at, reverse=True))

    async def _reached(self) -> None:
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        if self.down is not None:
            raise self.down

    def _evaluated(self, node: Any, at: float) -> tuple[Sample, ...]:  # noqa: ANN401 - an untyped library's tree
        known = self._answers.get(_key(node))
        if known is not None:
            return _answered(known, at)
        if isinstance(node, promql_parser.ParenExpr):
            return self._evaluated(node.expr, at)
        if isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "or":
            return _union(self._evaluated(node.lhs, at), self._evaluated(node.rhs, at))
        if isinstance(node, promql_parser.Call) and node.func.name == "label_replace":
            return _labelled(self._evaluated(node.args[0], at), node.args[1].val, node.args[2].val)
        return ()


class FakeLogSource:
    """A LogSource over a list of lines."""

    def __init__(self, lines: Iterable[LogLine] = ()) -> None:
        self.lines = list(lines)
        self.queries: list[LogQuery] = []
        self.down: SourceError | None = None
        self.latency_s = 0.0

    async def search_logs(self, query: LogQuery) -> tuple[LogLine, ...]:
        """The lines asked for, newest first (see ``LogSource``)."""
        self.queries.append(query)
        await _reached(self.latency_s, self.down)
        found = [line for line in reversed(self.lines) if _wanted(line, query)]
        return tuple(sorted(found, key=lambda line: line.at, reverse=True)[: query.limit])


class FakeTraceSource:
    """A TraceSource over a list of traces and the services that took part in each."""

    def __init__(self) -> None:
        self._traces: list[tuple[TraceSummary, frozenset[str]]] = []
        self.queries: list[TraceQuery] = []
        self.down: SourceError | None = None
        self.latency_s = 0.0

    def add(self, trace: TraceSummary, *, services: Iterable[str] = ()) -> None:
        """Hold a trace in which its root's service took part, and these."""
        self._traces.append((trace, frozenset({trace.service, *services})))

    async def search_traces(self, query: TraceQuery) -> tuple[TraceSummary, ...]:
        """The traces asked for, those with errors first, then the slowest (see ``TraceSource``)."""
        self.queries.append(query)
        await _reached(self.latency_s, self.down)
        found = [trace for trace, services in self._traces if _sought(trace, services, query)]
        ranked = sorted(found, key=lambda trace: (trace.errors == 0, -trace.duration_s, trace.trace_id))
        return tuple(ranked[: query.limit])


async def _reached(latency_s: float, down: SourceError | None) -> None:
    if latency_s:
        await asyncio.sleep(latency_s)
    if down is not None:
        raise down


def _parsed(expr: str) -> Any:  # noqa: ANN401 - an untyped library's tree
    try:
        return promql_parser.parse(expr)
    except ValueError as error:
        raise SourceError(f"the expression does not parse: {error}", culprit=True) from error


def _key(node: Any) -> str:  # noqa: ANN401 - an untyped library's tree
    while isinstance(node, promql_parser.ParenExpr):
        node = node.expr
    return str(node.prettify())


def _answered(answer: Answer, at: float) -> tuple[Sample, ...]:
    if isinstance(answer, SourceError):
        raise answer
    return answer(at) if callable(answer) else answer


def _union(left: tuple[Sample, ...], right: tuple[Sample, ...]) -> tuple[Sample, ...]:
    there = {sample.labels.without("__name__") for sample in left}
    return (*left, *(sample for sample in right if sample.labels.without("__name__") not in there))


def _labelled(samples: tuple[Sample, ...], name: str, value: str) -> tuple[Sample, ...]:
    label = LabelSet.of({name: value})
    return tuple(Sample(labels=sample.labels.merged(label), value=sample.value) for sample in samples)


def _wanted(line: LogLine, query: LogQuery) -> bool:
    return (
        query.start <= line.at <= query.end
        and query.service in {"", line.service}
        and (not query.trace_ids or line.trace_id in query.trace_ids)
        and line.severity_number >= query.min_severity
    )


def _sought(trace: TraceSummary, services: frozenset[str], query: TraceQuery) -> bool:
    if query.errors_only and not trace.errors:
        return False
    if query.trace_ids:
        return trace.trace_id in query.trace_ids
    return query.start <= trace.started_at <= query.end and (not query.service or query.service in services)
