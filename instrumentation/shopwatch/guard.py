"""Keeps faults of the telemetry away from the service that carries it.

A fault is counted each time and logged once for each place and kind. Knows no metric: what counts a
fault is passed in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from shopwatch import catalogue

_logger: Final = logging.getLogger(catalogue.SCOPE)


def _uncounted() -> None:
    """Counts nothing: for what runs before there are metrics."""


class Guard:
    """Takes what went wrong inside the library.

    Args:
        count: called once for each fault.
    """

    def __init__(self, count: Callable[[], None] = _uncounted) -> None:
        self._count = count
        self._seen: set[tuple[str, type[BaseException]]] = set()

    def caught(self, doing: str, error: BaseException) -> None:
        """Count a fault, and log it if it is the first of its kind at its place."""
        self._count()
        seen = (doing, type(error))
        if seen in self._seen:
            return
        self._seen.add(seen)
        _logger.error(
            "telemetry fault while %s (counted from here on, not logged again; the service is not affected)",
            doing,
            exc_info=error,
        )

    @contextmanager
    def over(self, doing: str) -> Iterator[None]:
        """Run a block whose faults must not reach the host."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the one purpose of this class
            self.caught(doing, error)
