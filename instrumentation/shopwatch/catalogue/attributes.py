"""Every attribute (label) that a metric, a span or a log record bears, and the values that labels share."""

from __future__ import annotations

from typing import Final

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
EXCEPTION_CAUSES: Final = "shopwatch.exception.causes"  # "type: message" of each, nearest first
EXCEPTION_ESCAPED: Final = "exception.escaped"
EXCEPTION_EVENT: Final = "exception"  # name of the span event
DB_SYSTEM: Final = "db.system.name"
DB_OPERATION: Final = "db.operation.name"
MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
PEER_SERVICE: Final = "service.peer.name"
RPC_SYSTEM: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS: Final = "rpc.response.status_code"
POOL_NAME: Final = "db.client.connection.pool.name"
POOL_STATE: Final = "db.client.connection.state"
JOB_NAME: Final = "shopwatch.job.name"
CACHE_NAME: Final = "shopwatch.cache.name"
CACHE_RESULT: Final = "shopwatch.cache.result"
OUTCOME: Final = "shopwatch.outcome"
LOGIN_METHOD: Final = "shopwatch.login.method"
OAUTH_GRANT: Final = "shopwatch.oauth.grant"
OAUTH_ERROR: Final = "shopwatch.oauth.error"
LIMIT_NAME: Final = "shopwatch.rate_limit.name"
CHECKOUT_STEP: Final = "shopwatch.checkout.step"
CART_ACTION: Final = "shopwatch.cart.action"
CURRENCY: Final = "shopwatch.currency"
ORDER_ID: Final = "shopwatch.order.id"
PRODUCT_CATEGORY: Final = "shopwatch.product.category"
BACKUP_TARGET: Final = "shopwatch.backup.target"
FLAG_KEY: Final = "feature_flag.key"
FLAG_VARIANT: Final = "feature_flag.result.variant"
PAYMENT_PROVIDER: Final = "shopwatch.payment.provider"
SEVERITY: Final = "shopwatch.severity"
SIGNAL: Final = "shopwatch.signal"
DB_QUERY_TEXT: Final = "db.query.text"
URL_FULL: Final = "url.full"
WEBSOCKET_CLOSE: Final = "shopwatch.websocket.close_code"
CPU_MODE: Final = "cpu.mode"
GC_GENERATION: Final = "cpython.gc.generation"
REVISION: Final = "vcs.ref.head.revision"
RUNTIME_NAME: Final = "process.runtime.name"
RUNTIME_VERSION: Final = "process.runtime.version"
THREAD_POOL: Final = "shopwatch.thread_pool.name"
CHECK_NAME: Final = "shopwatch.check.name"
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
AMOUNT_BUCKETS: Final = (1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0)
"""For amounts, in whole units of a currency."""
ITEM_BUCKETS: Final = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
"""For numbers of items."""
# how a message was settled: values of OUTCOME
ACKNOWLEDGED: Final = "acknowledged"
REQUEUED: Final = "requeued"
REJECTED: Final = "rejected"
FAILED: Final = "failed"
"""Processing raised, and nothing was said to the broker."""
RULE_GROUP: Final = "shopwatch.rule_group"
RESULT: Final = "shopwatch.result"
INTEGRATION: Final = "shopwatch.integration"
ACTION: Final = "shopwatch.action"
ALERT_STATE: Final = "shopwatch.alert_state"


# ---------------------------------------------------------------- buckets, in seconds
HTTP_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Semantic conventions, http.server.request.duration and http.client.request.duration."""
DB_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Semantic conventions, db.client.operation.duration."""
WAITING_BUCKETS: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0)
"""For what takes from an instant to hours: the age of messages, the duration of jobs."""
