"""Metrics of HTTP, served and called, and of other calls to services."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    ERROR_TYPE,
    HTTP_BUCKETS,
    HTTP_METHOD,
    HTTP_ROUTE,
    HTTP_STATUS,
    PEER_SERVICE,
    RPC_METHOD,
    RPC_STATUS,
    RPC_SYSTEM,
    URL_SCHEME,
    WAITING_BUCKETS,
    WEBSOCKET_CLOSE,
)
from shopwatch.catalogue.model import Kind, Metric

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

RPC_CLIENT_DURATION: Final = Metric(
    name="rpc.client.call.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of remote procedure calls (gRPC, AWS).",
    attributes=(RPC_SYSTEM, RPC_METHOD, PEER_SERVICE, RPC_STATUS, ERROR_TYPE),
    buckets=HTTP_BUCKETS,
)
CLIENT_RETRIES: Final = Metric(
    name="shopwatch.client.retries",
    kind=Kind.COUNTER,
    unit="{retry}",
    description="Calls that a client library made once more by itself.",
    attributes=(PEER_SERVICE,),
)

WEBSOCKET_ACTIVE: Final = Metric(
    name="shopwatch.websocket.active_connections",
    kind=Kind.GAUGE,
    unit="{connection}",
    description="WebSockets that are open.",
)
WEBSOCKET_DURATION: Final = Metric(
    name="shopwatch.websocket.connection.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="How long WebSockets were open, by route, code of the close (RFC 6455) and error.",
    attributes=(HTTP_ROUTE, WEBSOCKET_CLOSE, ERROR_TYPE),
    buckets=WAITING_BUCKETS,
)

HTTP_METRICS: Final = (
    HTTP_SERVER_DURATION,
    HTTP_SERVER_ACTIVE,
    HTTP_CLIENT_DURATION,
    WEBSOCKET_ACTIVE,
    WEBSOCKET_DURATION,
    RPC_CLIENT_DURATION,
    CLIENT_RETRIES,
)
