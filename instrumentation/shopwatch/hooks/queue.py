"""Queues of any kind: the trace travels in a message's headers, and processing a message is timed.

For a worker, set up with ``shopwatch.bootstrap.start``::

    with consume("orders", "rabbitmq", message.headers):
        handle(message)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind

from shopwatch import catalogue
from shopwatch.hooks.operation import begin, running
from shopwatch.tracing import context_of, outgoing, parse_traceparent


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the current trace into the headers of a message that is about to be published.

    Args:
        carrier: the message's headers; left as they are outside a trace.
    """
    carrier.update(outgoing(trace.get_current_span().get_span_context()))


@contextmanager
def consume(destination: str, system: str, carrier: Mapping[str, object]) -> Iterator[None]:
    """Process one message: a CONSUMER span in its publisher's trace, and ``messaging.process.duration``.

    Args:
        destination: the queue's name; not one made up for each message.
        system: ``rabbitmq``, ``aws_sqs``, ...
        carrier: the message's headers; what is no valid trace context in them starts a new trace.
    """
    attributes = {catalogue.MESSAGING_SYSTEM: system, catalogue.MESSAGING_DESTINATION: destination}
    context = context_of(_publisher(carrier))
    with running(
        begin(catalogue.MESSAGE_DURATION, f"process {destination}", SpanKind.CONSUMER, attributes, context)
    ):
        yield


def _publisher(carrier: Mapping[str, object]) -> SpanContext | None:
    return parse_traceparent(_header(carrier, "traceparent"), _header(carrier, "tracestate"))


def _header(carrier: Mapping[str, object], name: str) -> bytes:
    value = carrier.get(name)
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return value if isinstance(value, bytes) else b""
