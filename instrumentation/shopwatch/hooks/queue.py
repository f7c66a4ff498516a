"""Queues of any kind: the trace travels in a message's headers, and processing a message is timed.

For a worker, set up with ``shopwatch.bootstrap.start``::

    with consume("orders", "rabbitmq", message.headers):
        handle(message)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from shopwatch import catalogue
from shopwatch.hooks.operation import Operation, begin, running

_LONGEST: Final = 8_192  # characters of a header; W3C baggage, section 3.3.2, asks for no more


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the current trace into the headers of a message that is about to be published.

    Args:
        carrier: the message's headers; left as they are outside a trace.
    """
    propagate.inject(carrier)


@contextmanager
def consume(destination: str, system: str, carrier: Mapping[str, object]) -> Iterator[None]:
    """Process one message: a CONSUMER span in its publisher's trace, and ``messaging.process.duration``.

    Args:
        destination: the queue's name; not one made up for each message.
        system: ``rabbitmq``, ``aws_sqs``, ...
        carrier: the message's headers; what is no valid trace context in them starts a new trace.
    """
    attributes = {catalogue.MESSAGING_SYSTEM: system, catalogue.MESSAGING_DESTINATION: destination}
    name, context = f"process {destination}", _publisher(carrier)
    operation = begin(catalogue.MESSAGE_DURATION, name, SpanKind.CONSUMER, attributes, context)
    with _processing(operation):
        yield


@contextmanager
def consume_batch(destination: str, system: str, carriers: Iterable[Mapping[str, object]]) -> Iterator[None]:
    """Process several messages at once: one CONSUMER span with a link to each publisher's.

    Args:
        destination: as for ``consume``, like ``system``.
        system: what the queue is.
        carriers: the headers of each message.
    """
    attributes = {catalogue.MESSAGING_SYSTEM: system, catalogue.MESSAGING_DESTINATION: destination}
    found = (trace.get_current_span(_publisher(carrier)).get_span_context() for carrier in carriers)
    links = [trace.Link(publisher) for publisher in found if publisher.is_valid]
    operation = begin(
        catalogue.MESSAGE_DURATION, f"process {destination}", SpanKind.CONSUMER, attributes, Context(), links
    )
    with _processing(operation):
        yield


@contextmanager
def _processing(operation: Operation) -> Iterator[None]:
    operation.attributes[catalogue.OUTCOME] = catalogue.FAILED
    with running(operation):
        yield
        operation.attributes[catalogue.OUTCOME] = catalogue.ACKNOWLEDGED


def _publisher(carrier: Mapping[str, object]) -> Context:
    """What the message's headers say, by the process' propagators; what is too long counts as absent."""
    headers = {name.lower(): _text(value) for name, value in carrier.items()}
    return propagate.extract({name: value for name, value in headers.items() if value}, Context())


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""
