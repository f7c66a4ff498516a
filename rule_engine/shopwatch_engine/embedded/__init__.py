"""The embedded collector: one process that takes OTLP over HTTP and keeps it in one SQLite file.

For a laptop, a demo, a small shop. Past that, the OpenTelemetry Collector, Elasticsearch and Jaeger
take its place; whoever asks for log lines and traces sees the same ports.
"""

from shopwatch_engine.embedded.app import Limits, collector_app
from shopwatch_engine.embedded.retention import Retention
from shopwatch_engine.embedded.store import TelemetryStore

__all__ = ["Limits", "Retention", "TelemetryStore", "collector_app"]
