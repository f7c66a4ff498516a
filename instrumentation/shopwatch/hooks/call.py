"""A call into another library, timed for its metric; its span, if any, is OpenTelemetry's instrumentation's.

Nothing here reaches the host: what goes wrong on the way is the guard's, and the call is made all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from shopwatch import catalogue, telemetry
from shopwatch.catalogue import Metric
from shopwatch.hooks.patching import Function
from shopwatch.tracing import error_type

HTTP: Final = otel_context.create_key("shopwatch-http")
"""In the context of a call that another library's HTTP client makes for a library that is watched itself."""
ANY: Final = _SUPPRESS_INSTRUMENTATION_KEY
"""In the context of what nobody is to watch, such as the export of telemetry."""


class Call:
    """A call in flight.

    Args:
        metric: the histogram of its duration.
        attributes: of the metric; may be added to until the end.
    """

    __slots__ = ("_started", "attributes", "metric")

    def __init__(self, metric: Metric, attributes: Mapping[str, str]) -> None:
        self.metric = metric
        self.attributes = dict(attributes)
        self._started = time.perf_counter_ns()

    def failed(self, error: BaseException | str) -> None:
        """Say what went wrong: an ``error.type``, or the exception that it is taken from."""
        kind = error if isinstance(error, str) else error_type(error)
        self.attributes[catalogue.ERROR_TYPE] = kind

    def not_before(self, started: int) -> None:
        """Let the clock have started then (``time.perf_counter_ns``) if that is later than it was."""
        self._started = max(self._started, started)

    def age_s(self) -> float:
        """Seconds since it began."""
        return (time.perf_counter_ns() - self._started) / 1e9

    def end(self) -> None:
        """Stop the clock, and record; with the current span as exemplar if it is sampled."""
        seconds = self.age_s()
        now = telemetry.current()
        with now.guard.over(f"recording {self.metric.name}"):
            values = tuple(self.attributes.get(name, "") for name in self.metric.attributes)
            span = trace.get_current_span().get_span_context()
            ids = (span.trace_id, span.span_id) if span.trace_flags.sampled else (0, 0)
            now.instruments.bound(self.metric).series(values).observe(seconds, *ids)


Begin = Callable[..., Call | None]
"""From the arguments of the function to the call; None for one that is not to be timed."""
Answered = Callable[[Call, Any], None]
"""Adds what the function's result says."""


def _no_matter(call: Call, result: object) -> None:
    """The result says nothing that is recorded."""


def suppressed(key: str) -> bool:
    """Whether the current context asks that this is not watched."""
    return bool(otel_context.get_value(ANY) or (key != ANY and otel_context.get_value(key)))


@contextmanager
def suppressing(key: str) -> Iterator[None]:
    """Within the block, calls of this kind are not watched."""
    token = otel_context.attach(otel_context.set_value(key, True))  # noqa: FBT003 - the key's value
    try:
        yield
    finally:
        otel_context.detach(token)


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Run a block of a hook whose faults must not reach the host."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - handed to the guard
        telemetry.current().guard.caught(doing, error)


def count(metric: Metric, *values: str, amount: float = 1.0) -> None:
    """Add to a counter."""
    if amount:
        telemetry.current().instruments.bound(metric).series(values).inc(amount)


def timed(begin: Begin, answered: Answered = _no_matter, *, key: str = ANY) -> Callable[[Function], Function]:
    """Time a function.

    Args:
        begin: makes the call of the function's arguments.
        answered: adds what its result says.
        key: calls with this key in their context are not timed, nor are those beneath this one.
    """

    def wrap(original: Function) -> Function:
        def watched(*args: Any, **options: Any) -> Any:
            call = _begun(begin, args, options, key)
            if call is None:
                return original(*args, **options)
            with _ending(call, key):
                result = original(*args, **options)
                with guarded("reading a result"):
                    answered(call, result)
                return result

        return watched

    return wrap


def timed_async(
    begin: Begin, answered: Answered = _no_matter, *, key: str = ANY
) -> Callable[[Function], Function]:
    """As ``timed``, for a coroutine function."""

    def wrap(original: Function) -> Function:
        async def watched(*args: Any, **options: Any) -> Any:
            call = _begun(begin, args, options, key)
            if call is None:
                return await original(*args, **options)
            with _ending(call, key):
                result = await original(*args, **options)
                with guarded("reading a result"):
                    answered(call, result)
                return result

        return watched

    return wrap


def _begun(begin: Begin, args: tuple[Any, ...], options: Mapping[str, Any], key: str) -> Call | None:
    call = None
    if not suppressed(key):
        with guarded("beginning a call"):
            call = begin(*args, **options)
    return call


@contextmanager
def _ending(call: Call, key: str) -> Iterator[None]:
    try:
        if key == ANY:
            yield
        else:
            with suppressing(key):
                yield
    except BaseException as error:
        call.failed(error)
        raise
    finally:
        call.end()
