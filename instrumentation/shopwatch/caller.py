"""Who called: the span that a request's headers name, read in one pass over them.

With OpenTelemetry's default propagators ``traceparent`` is read here; with others they are asked.
"""

from __future__ import annotations

import struct
from binascii import Error, unhexlify
from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import TraceState

from shopwatch.propagation import Headers, extract
from shopwatch.tracing import parse_traceparent

_PARENT: Final = b"traceparent"
_STATE: Final = b"tracestate"
_DASH: Final = 45
_LENGTH: Final = 55  # of a traceparent of version 00
_ids: Final = struct.Struct(">QQQB").unpack

Caller = tuple[int, int, int, TraceState | None, Context | None]
"""Trace id, span id, flags and state of the caller's span, and a context with what else its headers said.

The ids are zero when the headers name no span but say something else (baggage).
"""


def of_traceparent(value: bytes) -> Caller | None:
    """The caller that a ``traceparent`` names; None when it is not a valid one. Never raises."""
    if (
        len(value) == _LENGTH
        and value[:3] == b"00-"
        and value[35] == value[52] == _DASH
        and value == value.lower()
    ):
        try:
            high, low, span_id, flags = _ids(unhexlify(value[3:35] + value[36:52] + value[53:]))
        except Error:
            return None
        trace_id = high << 64 | low
        return (trace_id, span_id, flags, None, None) if trace_id and span_id else None
    span = parse_traceparent(value)  # another version, or spaces around it
    return None if span is None else (span.trace_id, span.span_id, span.trace_flags, None, None)


class Callers:
    """Reads the caller of each request.

    Args:
        propagator: OpenTelemetry's, as the settings say.
        plain: whether it is made of ``tracecontext`` and ``baggage`` alone, or of the first of them.
    """

    def __init__(self, propagator: TextMapPropagator, *, plain: bool) -> None:
        self._propagator = propagator
        self._plain = plain
        self._wanted = frozenset(name.lower().encode() for name in propagator.fields)
        self._environ_keys = tuple(
            (name, "HTTP_" + name.decode().upper().replace("-", "_")) for name in sorted(self._wanted)
        )

    def of_asgi(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller | None:
        """The caller that raw ASGI headers (lower-case names) name.

        More than one ``traceparent`` counts as none, as the specification says.
        """
        wanted = self._wanted
        found = [header for header in headers if header[0] in wanted]
        if not found:
            return None
        if self._plain:
            name, value = found[0]
            return of_traceparent(value) if len(found) == 1 and name == _PARENT else self._plainly(found)
        return self._by_propagator(found)

    def of_environ(self, environ: Mapping[str, Any]) -> Caller | None:
        """The caller that a WSGI environment names."""
        found = [
            (name, environ[key].encode("latin-1", "replace"))
            for name, key in self._environ_keys
            if key in environ
        ]
        if not found:
            return None
        if self._plain and len(found) == 1 and found[0][0] == _PARENT:
            return of_traceparent(found[0][1])
        return self._plainly(found) if self._plain else self._by_propagator(found)

    def _plainly(self, found: Headers) -> Caller | None:
        """By ``traceparent`` and ``tracestate``, read here; what baggage says comes from the propagator."""
        parents = [value for name, value in found if name == _PARENT]
        states = b",".join(value for name, value in found if name == _STATE)
        span = parse_traceparent(parents[0], states) if len(parents) == 1 else None
        said = [header for header in found if header[0] not in (_PARENT, _STATE)]
        context = (extract(self._propagator, said) or None) if said else None
        if span is None:
            return None if context is None else (0, 0, 0, None, context)
        return span.trace_id, span.span_id, span.trace_flags, span.trace_state or None, context

    def _by_propagator(self, found: Headers) -> Caller | None:
        context = extract(self._propagator, found)
        span = trace.get_current_span(context).get_span_context()
        if not span.is_valid:
            return (0, 0, 0, None, context) if context else None
        return span.trace_id, span.span_id, span.trace_flags, span.trace_state or None, context
