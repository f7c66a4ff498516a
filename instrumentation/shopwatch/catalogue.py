"""Every metric, label, resource attribute and log field that shopwatch speaks of, once.

Names follow OpenTelemetry's semantic conventions 1.44; what they do not name is ours and starts with
``shopwatch``. Prometheus' form of a name follows OpenTelemetry's translation: dots become underscores,
the unit is appended, counters end in ``_total``. Knows nothing of prometheus_client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class Kind(Enum):
    """What sort of instrument a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


_UNIT_WORDS: Final = {"s": "seconds", "By": "bytes", "1": "ratio"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: its OpenTelemetry name, and everything that is said of it anywhere.

    ``attributes`` are OpenTelemetry names (dots); ``labels`` their Prometheus form.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The family's name in Prometheus, with unit and, for a counter, ``_total``."""
        base = self.name.replace(".", "_")
        word = _UNIT_WORDS.get(self.unit, "")
        if word and not base.endswith(f"_{word}"):
            base = f"{base}_{word}"
        return f"{base}_total" if self.kind is Kind.COUNTER else base

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes as Prometheus label names."""
        return tuple(prometheus_label(attribute) for attribute in self.attributes)

    @property
    def series_names(self) -> tuple[str, ...]:
        """Every series name that the metric has in Prometheus."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.prometheus_name}_{suffix}" for suffix in ("bucket", "count", "sum"))
        return (self.prometheus_name,)


def prometheus_label(attribute: str) -> str:
    """An OpenTelemetry attribute's name as a Prometheus label."""
    return attribute.replace(".", "_")


# ---------------------------------------------------------------- attributes
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
DEPLOYMENT_ENVIRONMENT: Final = "deployment.environment.name"
TRACK: Final = "shopwatch.track"  # stable, canary, blue, green: no convention names it
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
URL_SCHEME: Final = "url.scheme"
URL_PATH: Final = "url.path"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
DB_SYSTEM: Final = "db.system.name"
DB_OPERATION: Final = "db.operation.name"
MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
PEER_SERVICE: Final = "service.peer.name"
CACHE_NAME: Final = "shopwatch.cache.name"
CACHE_RESULT: Final = "shopwatch.cache.result"
OUTCOME: Final = "shopwatch.outcome"
PAYMENT_PROVIDER: Final = "shopwatch.payment.provider"
SIGNAL: Final = "shopwatch.signal"
VALUE: Final = "shopwatch.value"  # what a business event on a span measured
HTTP_METHOD_ORIGINAL: Final = "http.request.method_original"
CODE_FUNCTION: Final = "code.function.name"
CODE_FILE: Final = "code.file.path"
CODE_LINE: Final = "code.line.number"
TELEMETRY_SDK_LANGUAGE: Final = "telemetry.sdk.language"
TELEMETRY_SDK_NAME: Final = "telemetry.sdk.name"
TELEMETRY_SDK_VERSION: Final = "telemetry.sdk.version"

RESOURCE_LABELS: Final = (SERVICE_NAME, SERVICE_VERSION, TRACK)
"""Resource attributes that every metric of the library carries as labels, before its own."""

# ---------------------------------------------------------------- values that labels share
OTHER: Final = "_OTHER"
"""Semantic conventions: the value of a method or operation that is not a known one."""
HTTP_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
"""The methods that semantic conventions name; any other is ``_OTHER``."""
UNMATCHED_ROUTE: Final = ""
"""``http.route`` of every request that no route took: Prometheus treats an empty label as an absent one."""
NO_STATUS: Final = ""
"""``http.response.status_code`` of a request that ended before a status was sent."""
OVERFLOW: Final = "_overflow"
"""Value of every attribute of the one series that takes what is over a metric's cap."""
CLIENT_DISCONNECT: Final = "client_disconnect"
"""``error.type`` of a request whose client hung up before the answer was complete."""
INCOMPLETE_RESPONSE: Final = "incomplete_response"
"""``error.type`` of a request that the application left without an answer, or with half of one."""

# ---------------------------------------------------------------- buckets, in seconds
HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Semantic conventions, http.server.request.duration and http.client.request.duration."""
DB_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Semantic conventions, db.client.operation.duration."""

# ---------------------------------------------------------------- metrics of a service
HTTP_SERVER_DURATION: Final = Metric(
    name="http.server.request.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of HTTP server requests.",
    attributes=(HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, URL_SCHEME, ERROR_TYPE),
    buckets=HTTP_BUCKETS,
)
HTTP_SERVER_ACTIVE: Final = Metric(
    name="http.server.active_requests",
    kind=Kind.GAUGE,
    unit="{request}",
    description="HTTP server requests in flight.",
    attributes=(HTTP_METHOD, URL_SCHEME),
)
HTTP_CLIENT_DURATION: Final = Metric(
    name="http.client.request.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of HTTP client requests.",
    attributes=(HTTP_METHOD, PEER_SERVICE, HTTP_STATUS, ERROR_TYPE),
    buckets=HTTP_BUCKETS,
)
DB_CLIENT_DURATION: Final = Metric(
    name="db.client.operation.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of database client operations.",
    attributes=(DB_SYSTEM, DB_OPERATION, ERROR_TYPE),
    buckets=DB_BUCKETS,
)
MESSAGE_DURATION: Final = Metric(
    name="messaging.process.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of processing a message.",
    attributes=(MESSAGING_SYSTEM, MESSAGING_DESTINATION, ERROR_TYPE),
    buckets=HTTP_BUCKETS,
)
QUEUE_MESSAGES: Final = Metric(
    name="shopwatch.queue.messages",
    kind=Kind.GAUGE,
    unit="{message}",
    description="Messages that wait in a queue.",
    attributes=(MESSAGING_DESTINATION,),
)
QUEUE_OLDEST: Final = Metric(
    name="shopwatch.queue.oldest_message.age",
    kind=Kind.GAUGE,
    unit="s",
    description="Age of the oldest message that waits in a queue.",
    attributes=(MESSAGING_DESTINATION,),
)
CACHE_REQUESTS: Final = Metric(
    name="shopwatch.cache.requests",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Cache look-ups by result (hit, miss, error).",
    attributes=(CACHE_NAME, CACHE_RESULT),
)
LOGIN_ATTEMPTS: Final = Metric(
    name="shopwatch.login.attempts",
    kind=Kind.COUNTER,
    unit="{attempt}",
    description="Login attempts by outcome (success, failure).",
    attributes=(OUTCOME,),
)
ORDERS: Final = Metric(
    name="shopwatch.orders",
    kind=Kind.COUNTER,
    unit="{order}",
    description="Orders by outcome (placed, failed, declined).",
    attributes=(OUTCOME,),
)
PAYMENTS: Final = Metric(
    name="shopwatch.payments",
    kind=Kind.COUNTER,
    unit="{payment}",
    description="Payments by provider and outcome (approved, declined, error).",
    attributes=(PAYMENT_PROVIDER, OUTCOME),
)
TELEMETRY_DROPPED: Final = Metric(
    name="shopwatch.telemetry.dropped",
    kind=Kind.COUNTER,
    unit="{item}",
    description="Spans and log records that the library dropped rather than wait (by signal).",
    attributes=(SIGNAL,),
)
TELEMETRY_ERRORS: Final = Metric(
    name="shopwatch.telemetry.errors",
    kind=Kind.COUNTER,
    unit="{error}",
    description="Errors inside the library, kept away from the service.",
)
SERIES_FOLDED: Final = Metric(
    name="shopwatch.telemetry.series_folded",
    kind=Kind.COUNTER,
    unit="{observation}",
    description="Observations folded into the overflow series because a metric had too many series.",
)

# ---------------------------------------------------------------- metrics of the rule engine
RULE_GROUP: Final = "shopwatch.rule_group"
RESULT: Final = "shopwatch.result"
INTEGRATION: Final = "shopwatch.integration"
ACTION: Final = "shopwatch.action"
ALERT_STATE: Final = "shopwatch.alert_state"

ENGINE_EVALUATIONS: Final = Metric(
    name="shopwatch.engine.evaluations",
    kind=Kind.COUNTER,
    unit="{evaluation}",
    description="Rule evaluations by group and result (success, failure).",
    attributes=(RULE_GROUP, RESULT),
)
ENGINE_PASS_DURATION: Final = Metric(
    name="shopwatch.engine.pass.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of one pass over a rule group, query to commit.",
    attributes=(RULE_GROUP,),
    buckets=HTTP_BUCKETS,
)
ENGINE_MISSED: Final = Metric(
    name="shopwatch.engine.passes_missed",
    kind=Kind.COUNTER,
    unit="{pass}",
    description="Passes that did not happen because an earlier one took too long.",
    attributes=(RULE_GROUP,),
)
ENGINE_ALERTS: Final = Metric(
    name="shopwatch.engine.alerts",
    kind=Kind.GAUGE,
    unit="{alert}",
    description="Alerts by state (pending, firing, keep_firing, unknown).",
    attributes=(ALERT_STATE,),
)
ENGINE_DELIVERIES: Final = Metric(
    name="shopwatch.engine.deliveries",
    kind=Kind.COUNTER,
    unit="{delivery}",
    description="Attempts to deliver, by integration, action and result (delivered, retried, dead).",
    attributes=(INTEGRATION, ACTION, RESULT),
)
ENGINE_DELIVERY_DELAY: Final = Metric(
    name="shopwatch.engine.delivery.delay",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Time from the transaction that owes a trigger or resolve to its delivery.",
    attributes=(INTEGRATION, ACTION),
    buckets=HTTP_BUCKETS,
)
ENGINE_STORE_RETRIES: Final = Metric(
    name="shopwatch.engine.store.retries",
    kind=Kind.COUNTER,
    unit="{retry}",
    description="Transactions that were tried again because the store was busy or its disk full.",
)

# ---------------------------------------------------------------- metrics that others give
PROCESS_CPU: Final = Metric(
    name="process.cpu",
    kind=Kind.COUNTER,
    unit="s",
    description="CPU time of the process (prometheus_client's process collector).",
)
PROCESS_MEMORY: Final = Metric(
    name="process.resident_memory",
    kind=Kind.GAUGE,
    unit="By",
    description="Resident memory of the process (prometheus_client's process collector).",
)
TARGET_INFO: Final = Metric(
    name="target.info",
    kind=Kind.GAUGE,
    unit="",
    description="Resource attributes of the service, as labels of a constant 1.",
    attributes=(SERVICE_NAME, SERVICE_VERSION, SERVICE_INSTANCE_ID, DEPLOYMENT_ENVIRONMENT, TRACK),
)
UP: Final = Metric(
    name="up",
    kind=Kind.GAUGE,
    unit="",
    description="1 when Prometheus could scrape the target, else 0 (made by Prometheus).",
    attributes=("job", "instance"),
)

SERVICE_METRICS: Final = (
    HTTP_SERVER_DURATION,
    HTTP_SERVER_ACTIVE,
    HTTP_CLIENT_DURATION,
    DB_CLIENT_DURATION,
    MESSAGE_DURATION,
    QUEUE_MESSAGES,
    QUEUE_OLDEST,
    CACHE_REQUESTS,
    LOGIN_ATTEMPTS,
    ORDERS,
    PAYMENTS,
    TELEMETRY_DROPPED,
    TELEMETRY_ERRORS,
    SERIES_FOLDED,
)
ENGINE_METRICS: Final = (
    ENGINE_EVALUATIONS,
    ENGINE_PASS_DURATION,
    ENGINE_MISSED,
    ENGINE_ALERTS,
    ENGINE_DELIVERIES,
    ENGINE_DELIVERY_DELAY,
    ENGINE_STORE_RETRIES,
)
FOREIGN_METRICS: Final = (PROCESS_CPU, PROCESS_MEMORY, TARGET_INFO, UP)
METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {metric.name: metric for metric in (*SERVICE_METRICS, *ENGINE_METRICS, *FOREIGN_METRICS)}
)
"""Every metric, by OpenTelemetry name."""
SERIES: Final[Mapping[str, Metric]] = MappingProxyType(
    {series: metric for metric in METRICS.values() for series in metric.series_names}
)
"""Every series name in Prometheus, and the metric it belongs to."""

# ---------------------------------------------------------------- log documents
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
ACCESS_LOGGER: Final = "shopwatch.access"
"""Logger, and so ``scope.name``, of the one line that each request leaves."""
