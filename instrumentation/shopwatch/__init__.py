"""What a service imports: one line gives it metrics, traces, logs and health endpoints.

::

    from shopwatch import instrument

    app = instrument(app, service="orders", version="1.4.2")

The floors, each importing only those before it::

    version, exceptions, text, catalogue -> settings, guard -> tracing, propagation -> caller, sampling,
    redaction -> spans, families -> tracer, wire, logs, otlp -> metrics, workers, access_log -> exposition,
    export, health -> telemetry -> recording, hooks, middleware -> pipeline, metrics_server -> bootstrap
    -> testing
"""

from shopwatch.bootstrap import ShopwatchMiddleware, instrument, start
from shopwatch.recording import record
from shopwatch.version import __version__

__all__ = ["ShopwatchMiddleware", "__version__", "instrument", "record", "start"]
