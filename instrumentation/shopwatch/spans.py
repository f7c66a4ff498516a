"""Light spans: OpenTelemetry's API over a few plain fields, made into OTLP bytes off the request path.

A span of the SDK costs more than the rest of what is recorded of a request. These behave as the SDK's do
(names, limits, statuses, events, links; held to it by a property test) and are ``ReadableSpan`` too, so
that processors and exporters made for the SDK take them as they are. They take no lock: each change is
one step of the interpreter.
"""

from __future__ import annotations

import logging
import os
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from shopwatch import catalogue
from shopwatch.caller import Caller, Callers
from shopwatch.settings import SpanLimits
from shopwatch.text import printable
from shopwatch.tracing import error_type

_logger: Final = logging.getLogger(catalogue.SCOPE)

SAMPLED: Final = 1
"""W3C trace context: the caller records the trace."""
RANDOM: Final = 2
"""W3C trace context, level 2: the trace's id is random."""
_KEPT: Final = 256  # spans that wait for the end of their request, which decides whether they are kept
_PLAIN: Final = frozenset((str, int, float, bool))
_UNSET: Final = Status(StatusCode.UNSET)
_ERROR: Final = Status(StatusCode.ERROR)

_random: Final = random.Random(os.urandom(16))  # noqa: S311 - ids are unique, not secret; the host may seed its own
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(16)))
_bits: Final = _random.getrandbits


def new_trace_id() -> int:
    """128 random bits, never zero."""
    return _bits(128) or 1


def new_span_id() -> int:
    """64 random bits, never zero."""
    return _bits(64) or 1


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What the spans of one tracer have in common.

    ``deliver`` takes each recorded span when it ends.
    """

    scope: InstrumentationScope
    resource: Resource
    limits: SpanLimits
    deliver: Callable[[LightSpan], None]
    redact: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """All that the requests which ended alike have in common, made once: their series and encoded parts."""

    route: str
    series: Any
    """Of the histogram of durations: has ``observe``."""
    is_error: bool
    level: int
    name: str
    head: bytes
    """OTLP fields of a span: name and kind."""
    attributes: Mapping[str, Any]
    fixed: bytes
    """The attributes, as OTLP fields of a span."""
    end_status: bytes
    """OTLP field of a span: its status."""
    log_severity: bytes
    """OTLP fields of a log record: number and text."""
    log_fixed: bytes
    """The attributes, as OTLP fields of a log record."""
    text: str
    """Begins the log line for a person."""
    json_body: str
    """The same text in a JSON line, from the key on."""
    json_middle: str
    """The severity, in a JSON line."""
    json_attributes: str
    """Scope and attributes, in a JSON line."""


class LightSpan(trace.Span, ReadableSpan):
    """A span that records.

    Args:
        origin: of the tracer.
        name: its name.
        kind: its kind.
        trace_id: of the trace.
        flags: W3C trace flags; without ``SAMPLED`` it is exported only if its request is kept at the end.
        started: nanoseconds since the epoch.
    """

    # Set before a span ends, and read by what encodes it: fields that are encoded already.
    head: bytes = b""  # name and kind
    fixed: bytes = b""  # attributes that come before the span's own
    fixed_attributes: Mapping[str, Any] = {}
    end_status: bytes = b""
    parent_id: int = 0
    parent_remote: bool = False
    dropped_count: int = 0
    dropped_event_count: int = 0
    dropped_link_count: int = 0
    request: RequestSpan | None = None
    trace_state: TraceState | None = None
    _own: dict[str, Any] | None = None
    _event_list: list[tuple[str, int, Mapping[str, Any], int]] | None = None
    _link_list: list[tuple[SpanContext, Mapping[str, Any], int]] | None = None
    _known_context: SpanContext | None = None
    _known_parent: SpanContext | None = None
    _span_status: Status = _UNSET
    _ended: int = 0
    _notes_exceptions = True
    _fails_on_exceptions = True

    def __init__(
        self, origin: Origin, name: str, kind: SpanKind, trace_id: int, flags: int, started: int
    ) -> None:
        self.origin = origin
        self.span_name = name
        self.span_kind = kind
        self.trace_id = trace_id
        self.span_id = _bits(64) or 1
        self.flags = flags
        self.started = started

    # ------------------------------------------------------------ OpenTelemetry's API
    def get_span_context(self) -> SpanContext:
        """The ids, as OpenTelemetry passes them on."""
        known = self._known_context
        if known is None:
            flags = TraceFlags(self.flags)
            known = SpanContext(self.trace_id, self.span_id, False, flags, self.trace_state)  # noqa: FBT003
            self._known_context = known
        return known

    def is_recording(self) -> bool:
        """Whether it has not ended."""
        return not self._ended

    def set_attribute(self, key: str, value: Any) -> None:  # noqa: ANN401 - as the API has it
        """Set one attribute; what is no attribute's value becomes text."""
        if self._ended:
            _logger.debug("attribute %r set on the ended span %r", key, self.span_name)
            return
        limits = self.origin.limits
        if self._own is None:
            self._own = {}
        own = self._own
        if type(value) not in _PLAIN or limits.value_length is not None or not key or type(key) is not str:
            cleaned = BoundedAttributes(1, {key: value}, immutable=False, max_value_len=limits.value_length)
            if not cleaned:
                self.dropped_count += 1
                return
            key, value = next(iter(cleaned.items()))
        own.pop(key, None)  # the newest stands last, as in the SDK
        if len(own) >= limits.attributes:
            self.dropped_count += 1
            if not own:
                return
            own.pop(next(iter(own)))
        own[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """Note an event; ``timestamp`` in nanoseconds since the epoch."""
        if self._ended:
            _logger.debug("event %r added to the ended span %r", name, self.span_name)
            return
        at = time.time_ns() if timestamp is None else timestamp
        limits = self.origin.limits
        kept, dropped = _bounded(attributes, limits.event_attributes, limits.value_length)
        if self._event_list is None:
            self._event_list = []
        self._event_list.append((name, at, kept, dropped))
        if len(self._event_list) > limits.events:
            self._event_list.pop(0)
            self.dropped_event_count += 1

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Link to another span."""
        if self._ended or context is None or not (context.is_valid or attributes or context.trace_state):
            return
        limits = self.origin.limits
        kept, dropped = _bounded(attributes, limits.link_attributes, limits.value_length)
        if self._link_list is None:
            self._link_list = []
        self._link_list.append((context, kept, dropped))
        if len(self._link_list) > limits.links:
            self._link_list.pop(0)
            self.dropped_link_count += 1

    def update_name(self, name: str) -> None:
        """Give it another name, which stays."""
        if not self._ended:
            self.span_name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status: never back to unset, and no more once it is OK."""
        if self._ended or self._span_status.status_code is StatusCode.OK:
            return
        made = status if isinstance(status, Status) else Status(status, description)
        if made.status_code is not StatusCode.UNSET:
            self._span_status = made

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - as the API has it
    ) -> None:
        """Note an exception as an event, with secrets in its text masked."""
        redact = self.origin.redact
        said: dict[str, Any] = {
            catalogue.EXCEPTION_TYPE: error_type(exception),
            catalogue.EXCEPTION_MESSAGE: redact(str(exception)),
            catalogue.EXCEPTION_STACKTRACE: redact("".join(traceback.format_exception(exception))),
            catalogue.EXCEPTION_ESCAPED: str(escaped),
        }
        self.add_event(catalogue.EXCEPTION_EVENT, {**said, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End it, at ``end_time`` nanoseconds since the epoch; a second call does nothing."""
        if self._ended:
            return
        self._ended = end_time or time.time_ns()
        self._deliver()

    def _deliver(self) -> None:
        request = self.request
        if self.flags & SAMPLED or request is None or request.kept is None:
            self.origin.deliver(self)
        else:
            request.await_end(self)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """End it, failed by the exception that left the block."""
        if exc_val is not None and not self._ended:
            if self._notes_exceptions:
                self.record_exception(exc_val, escaped=True)
            if self._fails_on_exceptions:
                self.set_status(Status(StatusCode.ERROR, f"{type(exc_val).__name__}: {exc_val}"))
        self.end()

    # ------------------------------------------------------------ what the SDK's exporters read
    @property
    def name(self) -> str:
        """Its name."""
        return self.span_name

    @property
    def context(self) -> SpanContext:
        """As ``get_span_context``."""
        return self.get_span_context()

    @property
    def kind(self) -> SpanKind:
        """Its kind."""
        return self.span_kind

    @property
    def parent(self) -> SpanContext | None:
        """The span that it is a child of; None for a root."""
        if self._known_parent is None and self.parent_id:
            flags = TraceFlags(self.flags)
            self._known_parent = SpanContext(
                self.trace_id, self.parent_id, self.parent_remote, flags, self.trace_state
            )
        return self._known_parent

    @property
    def start_time(self) -> int:
        """Nanoseconds since the epoch."""
        return self.started

    @property
    def end_time(self) -> int | None:
        """Nanoseconds since the epoch; None while it runs."""
        return self._ended or None

    @property
    def status(self) -> Status:
        """Its status."""
        return self._span_status

    @property
    def own_attributes(self) -> Mapping[str, Any] | None:
        """The attributes that are not ``fixed``."""
        return self._own

    def mask(self, masks: Mapping[str, Callable[[str], str]]) -> None:
        """Mask what instrumentations of other libraries said, by attribute; before it is exported."""
        own = self._own
        for name in masks.keys() & own.keys() if own else ():
            value = own[name] if own else None
            if own and isinstance(value, str):
                own[name] = masks[name](value)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """All attributes."""
        return {**self.fixed_attributes, **(self.own_attributes or {})}

    @property
    def raw_events(self) -> Sequence[tuple[str, int, Mapping[str, Any], int]]:
        """Name, time in nanoseconds, attributes, number of attributes dropped."""
        return self._event_list or ()

    @property
    def raw_links(self) -> Sequence[tuple[SpanContext, Mapping[str, Any], int]]:
        """Context, attributes, number of attributes dropped."""
        return self._link_list or ()

    @property
    def events(self) -> Sequence[Event]:
        """Its events, as the SDK's."""
        return [Event(name, _counted(kept, dropped), at) for name, at, kept, dropped in self.raw_events]

    @property
    def links(self) -> Sequence[Link]:
        """Its links, as the API's."""
        return [Link(context, _counted(kept, dropped)) for context, kept, dropped in self.raw_links]

    @property
    def resource(self) -> Resource:
        """What made it."""
        return self.origin.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """The tracer's name and version."""
        return self.origin.scope

    @property
    def instrumentation_info(self) -> None:
        """Deprecated in OpenTelemetry; nothing."""

    @property
    def dropped_attributes(self) -> int:
        """Attributes over the limit."""
        return self.dropped_count

    @property
    def dropped_events(self) -> int:
        """Events over the limit."""
        return self.dropped_event_count

    @property
    def dropped_links(self) -> int:
        """Links over the limit."""
        return self.dropped_link_count

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.span_name!r}, {self.trace_id:032x}, {self.span_id:016x})"


class RequestSpan(LightSpan):
    """The span of one request, and all else that is known of the request while it is in flight.

    It is there for requests without a trace too, since metric and log line are made of it. An adapter
    makes its own kind of it.
    """

    span_kind = SpanKind.SERVER
    trace_id = 0
    span_id = 0
    flags = 0
    started = 0
    method: str
    scheme: str
    path: str
    clock: int  # time.perf_counter_ns at the start
    original_method: str = ""
    elapsed: int = 0  # nanoseconds until the answer was complete, once it is
    recording = False  # whether a span is recorded, exported or kept for the end
    outcome: Outcome | None = None
    error_attributes: Mapping[str, Any] | None = None
    event_attributes: dict[str, Any] | None = None  # of business events
    kept: list[LightSpan] | None = None  # not None: the end decides whether the trace's spans are kept
    active: Any = None
    token: Any = None
    foreign: trace.Span | None = None  # the span of a tracer that is not ours
    relayed: Callable[[RequestSpan], None] | None = None  # finds the ids, where nothing else needs them
    path_shown = False

    @property
    def line_attributes(self) -> Mapping[str, Any] | None:
        """What its line says beside what all requests' lines do; None for nothing."""
        if self.event_attributes is None:
            return self.error_attributes
        return {**self.event_attributes, **(self.error_attributes or {})}

    @property
    def route(self) -> str:
        """The route as far as it is known by now; empty when none is."""
        raise NotImplementedError

    def caller(self, callers: Callers) -> Caller | None:
        """Who called, as the request's headers say."""
        raise NotImplementedError

    def get_span_context(self) -> SpanContext:
        """The ids, as OpenTelemetry passes them on."""
        if self.relayed is not None:
            relayed, self.relayed = self.relayed, None
            relayed(self)
        return super().get_span_context()

    @property
    def own_attributes(self) -> Mapping[str, Any]:
        """Path and method as it came, which are no label's value, and what the service set."""
        own: dict[str, Any] = {catalogue.URL_PATH: self.shown_path()}
        if self.original_method:
            own[catalogue.HTTP_METHOD_ORIGINAL] = self.original_method
        if self._own:
            own.update((key, value) for key, value in self._own.items() if key not in self.fixed_attributes)
        return own

    def is_recording(self) -> bool:
        """Whether a span is recorded and has not ended."""
        return self.recording and not self._ended

    def set_attribute(self, key: str, value: Any) -> None:  # noqa: ANN401 - as the API has it
        """Set one attribute, if a span is recorded."""
        if self.recording:
            super().set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """Note an event, if a span is recorded."""
        if self.recording:
            super().add_event(name, attributes, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """Does nothing: the middleware ends it, once the answer is complete."""

    def shown_path(self) -> str:
        """The path with secrets masked, as it may be recorded."""
        if not self.path_shown:
            self.path = self.origin.redact(printable(self.path))
            self.path_shown = True
        return self.path

    def age(self) -> int:
        """Nanoseconds since the start."""
        return time.perf_counter_ns() - self.clock

    def stop(self) -> int:
        """Stop the clock if it still runs; the duration in nanoseconds."""
        if not self.elapsed:
            self.elapsed = max(1, time.perf_counter_ns() - self.clock)
        return self.elapsed

    def finish(self, outcome: Outcome) -> None:
        """End the span as the outcome says; a name or a status that the service set stays."""
        if self.span_name is self.method:
            self.span_name = outcome.name
            self.head = outcome.head
        if self._span_status is _UNSET:
            self.end_status = outcome.end_status
            if outcome.is_error:
                self._span_status = _ERROR
        elif outcome.is_error:
            self.set_status(_ERROR)
        self.fixed = outcome.fixed
        self.fixed_attributes = outcome.attributes
        self._ended = self.started + self.elapsed

    def await_end(self, span: LightSpan) -> None:
        """Hold a span of the trace until the request's end decides whether it is kept."""
        waiting = self.kept
        if waiting is None:
            span.origin.deliver(span)
        elif self.outcome is None and len(waiting) < _KEPT:
            waiting.append(span)


def request_of(context: Context | None = None) -> RequestSpan | None:
    """The request whose span, or a span below it, is the current one."""
    span = trace.get_current_span(context)
    if isinstance(span, RequestSpan):
        return span
    return span.request if isinstance(span, LightSpan) else None


def request_route(context: Context | None = None) -> str:
    """The route of the request in flight; empty when there is none, or it is not known yet."""
    request = request_of(context)
    return "" if request is None else request.route


def _bounded(
    attributes: Mapping[str, Any] | None, most: int, longest: int | None
) -> tuple[Mapping[str, Any], int]:
    if not attributes:
        return {}, 0
    if longest is None and len(attributes) <= most and _all_plain(attributes):
        return dict(attributes), 0
    cleaned = BoundedAttributes(most, attributes, immutable=False, max_value_len=longest)
    return cleaned.copy(), cleaned.dropped


def _counted(kept: Mapping[str, Any], dropped: int) -> BoundedAttributes:
    """Attributes as the SDK's exporters expect them, with the number of those that are missing."""
    made = BoundedAttributes(None, kept)
    made.dropped = dropped
    return made


def _all_plain(attributes: Mapping[str, Any]) -> bool:
    return all(type(key) is str and key and type(value) in _PLAIN for key, value in attributes.items())
