"""Where encoded batches are sent: OpenTelemetry's OTLP exporters, handed bytes.

Address, TLS, headers, compression, retries and their limits stay the exporters', which read certificates,
headers and compression from the process' environment by OpenTelemetry's names. They are made in the
process that sends, when it first sends: what they hold does not survive a fork.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from shopwatch.settings import GRPC, Export

_QUIET_S: Final = 60.0  # between two lines of an exporter's logger
_NOISY: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.baggage.propagation",  # quotes what callers send
    "opentelemetry.trace.propagation.tracecontext",
    "opentelemetry.trace.span",
)


class Sender(Protocol):
    """Sends encoded requests of one signal."""

    def send(self, payload: bytes) -> bool:
        """Send one; True once it was taken, False once it was given up."""
        ...

    def close(self) -> None:
        """Let go, and cut short what is being tried."""
        ...


class LazySender:
    """Makes its sender when it first sends, in the process that sends.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Sender]) -> None:
        self._make = make
        self._made: Sender | None = None
        self._process = 0

    def send(self, payload: bytes) -> bool:
        """Send an encoded request."""
        if self._made is None or self._process != os.getpid():
            self._made, self._process = self._make(), os.getpid()
        return self._made.send(payload)

    def close(self) -> None:
        """Let go of the connection."""
        if self._made is not None and self._process == os.getpid():
            self._made.close()


def sender(settings: Export, signal: str) -> Sender:
    """A sender for the protocol that the settings name; ``signal`` is ``traces`` or ``logs``.

    Its library is loaded now, since a process that ends can load no more.
    """
    if settings.protocol == GRPC:
        from shopwatch import otlp_grpc  # noqa: PLC0415 - grpc is slow to load

        return LazySender(partial(otlp_grpc.sender, settings, signal))
    from shopwatch import otlp_http  # noqa: PLC0415 - only if it is used

    return LazySender(partial(otlp_http.sender, settings, signal))


class _Sparse(logging.Filter):
    """Lets one record of a level pass in ``_QUIET_S``: a dead collector is said, not chanted."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[int, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        now = time.monotonic()
        if now < self._next.get(record.levelno, 0.0):
            return False
        self._next[record.levelno] = now + _QUIET_S
        return True


def hush_exporters() -> None:
    """Thin out what OpenTelemetry logs of a collector that is away, or of callers that send rubbish."""
    for name in _NOISY:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Sparse) for known in logger.filters):
            logger.addFilter(_Sparse())
