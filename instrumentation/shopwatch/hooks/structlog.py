"""structlog: a service that has not configured it has its lines in the same place as those of ``logging``.

One that has keeps its configuration; with ``shopwatch.hooks.structlog.relay`` as its last processor, and
``structlog.stdlib.LoggerFactory()``, its fields arrive as fields.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from shopwatch.hooks.patching import Patches

_TAKEN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def watch(patches: Patches, _: object = None) -> None:
    """Configure structlog, unless the service has."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, relay],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    patches.later(structlog.reset_defaults)


def relay(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[object], dict[str, Any]]:
    """A processor: from structlog's event to the arguments of a logger of ``logging``.

    A field that a log record has a meaning of its own for gets an underscore at its end.
    """
    fields = dict(event)
    said: dict[str, Any] = {name: fields.pop(name) for name in ("exc_info", "stack_info") if name in fields}
    message = fields.pop("event", "")
    extra = {f"{name}_" if name in _TAKEN else name: value for name, value in fields.items()}
    return (message,), {"extra": extra, **said}
