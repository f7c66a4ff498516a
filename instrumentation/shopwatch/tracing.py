"""W3C trace context as it comes in, and what a span says of an error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

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


def error_type(error: BaseException) -> str:
    """``error.type`` of an exception: its qualified name, with its module unless built in."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
