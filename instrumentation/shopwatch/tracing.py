"""W3C trace context in and out, and what a span says of an error. Knows OpenTelemetry's API, not its SDK."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

Headers = Iterable[tuple[bytes, bytes]]

# https://www.w3.org/TR/trace-context/ section 3.2: version, trace id, parent id, flags; a version above
# 00 may be followed by more.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?"
)
_MAX_TRACEPARENT: Final = 512  # characters
_MAX_TRACESTATE: Final = 512  # characters; section 3.3.1.5 asks for no more
_ROOT: Final = Context()


def parse_traceparent(value: bytes, tracestate: bytes = b"") -> SpanContext | None:
    """The caller's span, or None when the header is not a valid one. Never raises."""
    match = _TRACEPARENT.fullmatch(value.strip(b" \t")) if len(value) <= _MAX_TRACEPARENT else None
    if match is None or (match[5] is not None and match[1] == b"00"):
        return None
    return SpanContext(
        int(match[2], 16),
        int(match[3], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[4], 16)),
        trace_state=_parse_tracestate(tracestate) if tracestate else None,
    )


def _parse_tracestate(value: bytes) -> TraceState | None:
    if len(value) > _MAX_TRACESTATE or not value.isascii():
        return None
    return TraceState.from_header([value.decode("ascii")])


def caller(headers: Headers) -> SpanContext | None:
    """The caller's span from raw ASGI headers (lower-case names).

    More than one ``traceparent`` counts as none, as the specification says.
    """
    parent: bytes | None = None
    state: list[bytes] = []
    for name, value in headers:
        if name == b"traceparent":
            if parent is not None:
                return None
            parent = value
        elif name == b"tracestate":
            state.append(value)
    return None if parent is None else parse_traceparent(parent, b",".join(state))


def context_of(parent: SpanContext | None) -> Context:
    """A context to start a span in: the caller's child, or a root when there is none."""
    return _ROOT if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), _ROOT)


def outgoing(span: SpanContext) -> dict[str, str]:
    """The headers that pass a span on; none for an invalid one."""
    if not span.is_valid:
        return {}
    headers = {"traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"}
    if span.trace_state:
        headers["tracestate"] = span.trace_state.to_header()
    return headers


def error_type(error: BaseException) -> str:
    """``error.type`` of an exception: its qualified name, with its module unless built in."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
