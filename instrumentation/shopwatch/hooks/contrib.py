"""OpenTelemetry's own instrumentations, which make the spans: switched on where they are installed.

They are pre-releases, pinned by the extras of this distribution (``shopwatch[redis]``, ...).
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import metrics, trace

from shopwatch import catalogue
from shopwatch.hooks.patching import Patches

_logger: Final = logging.getLogger(catalogue.SCOPE)
_STABLE_NAMES: Final = "http,database"
_PACKAGE: Final = "opentelemetry.instrumentation"


def switch_on(
    patches: Patches, module: str, instrumentor: str, provider: trace.TracerProvider | None
) -> bool:
    """Switch an instrumentation on, unless somebody has; ``patches`` switches it off again.

    Args:
        patches: of the library.
        module: within ``opentelemetry.instrumentation``.
        instrumentor: its class.
        provider: makes the spans; the process' own when None.

    Returns:
        False when it is not installed.
    """
    # Without this they name attributes as before the conventions were stable.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", _STABLE_NAMES)
    try:
        found = importlib.import_module(f"{_PACKAGE}.{module}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(_PACKAGE):
            raise
        return False
    made = getattr(found, instrumentor)()
    if not made.is_instrumented_by_opentelemetry:
        made.instrument(skip_dep_check=True, tracer_provider=provider)
        patches.later(made.uninstrument)
    return True


def trace_engine(engine: Any, provider: trace.TracerProvider | None) -> Callable[[], None]:
    """Make spans of an engine's statements, if the instrumentation of SQLAlchemy is installed.

    Returns:
        What ends it, of all engines.
    """
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", _STABLE_NAMES)
    try:
        from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer  # noqa: PLC0415 - not everyone's
    except ModuleNotFoundError:
        _logger.info("the statements of SQLAlchemy are timed, not traced: install shopwatch[sqlalchemy]")
        return _nothing
    scope = f"{_PACKAGE}.sqlalchemy"
    usage = metrics.get_meter(scope).create_up_down_counter("db.client.connection.count")
    EngineTracer(  # type: ignore[no-untyped-call]
        trace.get_tracer(scope, tracer_provider=provider), engine, usage
    )
    return EngineTracer.remove_all_event_listeners


def _nothing() -> None:
    """There is nothing to undo."""
