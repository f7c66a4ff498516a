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
from typing import Final, Generic, Protocol, TypeVar

from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.resources import Resource

from shopwatch import wire
from shopwatch.guard import Guard
from shopwatch.log_entry import LogEntry
from shopwatch.otlp import Sender
from shopwatch.settings import Export
from shopwatch.spans import LightSpan, RequestSpan

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


class SpanSink(Protocol):
    """What spans end in."""

    def export(self, batch: Sequence[LightSpan]) -> bool:
        """Send a batch; True when it was taken."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class LogSink(Protocol):
    """What log records end in."""

    def export(self, batch: Sequence[LogEntry | RequestSpan]) -> bool:
        """Send a batch; True when it was taken."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class EncodedSpans:
    """Spans as OTLP bytes."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def export(self, batch: Sequence[LightSpan]) -> bool:
        """Encode and send a batch."""
        return self._sender.send(wire.encode_spans(batch))

    def close(self) -> None:
        """Let go of the connection."""
        self._sender.close()


class EncodedLogs:
    """Log records as OTLP bytes, under one resource."""

    def __init__(self, sender: Sender, resource: Resource) -> None:
        self._sender = sender
        self._resource = resource

    def export(self, batch: Sequence[LogEntry | RequestSpan]) -> bool:
        """Encode and send a batch."""
        return self._sender.send(wire.encode_logs(batch, self._resource))

    def close(self) -> None:
        """Let go of the connection."""
        self._sender.close()
