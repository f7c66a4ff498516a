"""Log documents: the shape of the Collector's Elasticsearch exporter in ``otel`` mapping mode."""

from __future__ import annotations

from typing import Final

LOG_TIMESTAMP: Final = "@timestamp"
LOG_BODY: Final = "body.text"
LOG_SEVERITY_TEXT: Final = "severity_text"
LOG_SEVERITY_NUMBER: Final = "severity_number"
LOG_TRACE_ID: Final = "trace_id"
LOG_SPAN_ID: Final = "span_id"
LOG_ATTRIBUTES: Final = "attributes"
LOG_RESOURCE_ATTRIBUTES: Final = "resource.attributes"
LOG_SCOPE_NAME: Final = "scope.name"
"""The shape of the Collector's Elasticsearch exporter in ``otel`` mapping mode."""

SCOPE: Final = "shopwatch"
"""Name of the instrumentation scope of every span that the library makes, and of its own logger."""
EVENT_LOGGER: Final = "shopwatch.events"
"""Logger, and so ``scope.name``, of a business event outside any request."""
ACCESS_LOGGER: Final = "shopwatch.access"
"""Logger, and so ``scope.name``, of the one line that each request leaves."""
