"""Bounded, non-blocking export: what a batch may hold, what is dropped, how long the end may take.

OpenTelemetry's own batch processors wait up to 30 s for a dead collector when a process ends, which is
as long as Kubernetes waits before it kills. These implement the same interfaces over a queue of their
own that never blocks who puts, counts what it drops, and ends within ``SHUTDOWN_S`` whatever the
collector does.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from opentelemetry import context
from opentelemetry._logs import LogRecord
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from shopwatch.guard import Guard
from shopwatch.settings import Export

SHUTDOWN_S: Final = 1.5
"""Longest time, in seconds, that closing takes: for all signals together."""

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """A bounded queue and the one thread that empties it.

    Args:
        send: exports a batch; True when it was taken.
        settings: size of queue and batch, longest delay.
        dropped: told how many items were dropped.
        guard: takes what ``send`` raises.
        name: of the thread.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Item]], bool],
        settings: Export,
        *,
        dropped: Callable[[int], None],
        guard: Guard,
        name: str,
    ) -> None:
        self._send = send
        self._settings = settings
        self._dropped = dropped
        self._guard = guard
        self._name = name
        self._closing = self._closed = False
        self._start()
        revive = weakref.WeakMethod(self._start)
        os.register_at_fork(after_in_child=lambda: (start := revive()) and start())

    def _start(self) -> None:
        """Begin empty: at construction, and in a forked child, which inherits neither thread nor items."""
        self._queue: deque[Item] = deque()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        if not self._closing:
            self._thread.start()

    def put(self, item: Item) -> None:
        """Take an item, or drop it when the queue is full. Never waits."""
        if self._closing or len(self._queue) >= self._settings.queue:
            self._dropped(1)
            return
        self._queue.append(item)
        if len(self._queue) >= self._settings.batch and not self._wake.is_set():
            self._wake.set()

    def flush(self, deadline: float) -> bool:
        """Wait until what was put so far has been sent; False when ``deadline`` (monotonic) came first."""
        if self._closing:
            return True
        self._idle.clear()
        self._wake.set()
        return self._idle.wait(max(0.0, deadline - time.monotonic()))

    def begin_close(self) -> None:
        """Take nothing more and start to send what is left."""
        self._closing = True
        self._wake.set()

    def end_close(self, deadline: float) -> bool:
        """Wait for the end until ``deadline`` (``time.monotonic``); what is left then is dropped.

        Returns:
            False when it was closed before.
        """
        if self._closed:
            return False
        self._closed = True
        self._thread.join(max(0.0, deadline - time.monotonic()))
        left, self._queue = len(self._queue), deque()
        if left:
            self._dropped(left)
        return True

    def _run(self) -> None:
        token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
        while not self._closing:
            self._wake.wait(self._settings.delay_s)
            self._wake.clear()
            self._drain()
            self._idle.set()
        self._drain()
        context.detach(token)

    def _drain(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch))]
            taken = False
            with self._guard.over(f"exporting {self._name}"):
                taken = self._send(batch)
            if not taken:
                self._dropped(len(batch))


class BatchedSpans(SpanProcessor):
    """Hands ended, sampled spans to a batcher."""

    def __init__(self, batcher: Batcher[ReadableSpan]) -> None:
        self._batcher = batcher

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is to do when a span starts."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._batcher.put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what was queued so far."""
        return self._batcher.flush(time.monotonic() + timeout_millis / 1_000)


class LogOutlet:
    """Hands log records to a batcher, each under the resource and the logger's name."""

    def __init__(self, batcher: Batcher[ReadableLogRecord], resource: Resource) -> None:
        self._batcher = batcher
        self._resource = resource
        self._scopes: dict[str, InstrumentationScope] = {}

    def put(self, logger: str, record: LogRecord) -> None:
        """Queue the record of a logger."""
        scope = self._scopes.get(logger)
        if scope is None:
            scope = self._scopes[logger] = InstrumentationScope(logger)
        self._batcher.put(ReadableLogRecord(record, self._resource, scope))


def span_batcher(
    exporter: SpanExporter, settings: Export, *, dropped: Callable[[int], None], guard: Guard
) -> Batcher[ReadableSpan]:
    """A batcher that ends in a span exporter."""

    def send(batch: Sequence[ReadableSpan]) -> bool:
        return exporter.export(batch) is SpanExportResult.SUCCESS

    return Batcher(send, settings, dropped=dropped, guard=guard, name="shopwatch-spans")


def log_batcher(
    exporter: LogRecordExporter, settings: Export, *, dropped: Callable[[int], None], guard: Guard
) -> Batcher[ReadableLogRecord]:
    """A batcher that ends in a log exporter."""

    def send(batch: Sequence[ReadableLogRecord]) -> bool:
        return exporter.export(batch) is LogRecordExportResult.SUCCESS

    return Batcher(send, settings, dropped=dropped, guard=guard, name="shopwatch-logs")
