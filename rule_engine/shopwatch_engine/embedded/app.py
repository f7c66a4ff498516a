"""The collector's HTTP side: OTLP for traces and logs, and its health. It stays up on anything.

Answers as OTLP's specification says: 200 once written; 400 for what does not decode, 413 for what is
too long (both final); 503 with Retry-After when it should be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shopwatch_engine.clock import Clock
from shopwatch_engine.embedded import otlp
from shopwatch_engine.embedded.body import CODINGS, Garbled, TooLarge, inflate, read_body
from shopwatch_engine.embedded.otlp import Encoding, NotOtlp
from shopwatch_engine.embedded.records import Records, records_of_logs, records_of_traces
from shopwatch_engine.embedded.store import TelemetryStore
from shopwatch_engine.exceptions import StoreBusy

_RETRY_AFTER_S: Final = 1
_SMALL_BYTES: Final = 64 * 1024  # what is longer is decoded in a thread, so that the loop does not stall
_INVALID_ARGUMENT: Final = 3  # gRPC's codes, which google.rpc.Status speaks
_NOT_FOUND: Final = 5
_RESOURCE_EXHAUSTED: Final = 8
_UNAVAILABLE: Final = 14
_NO_METRICS: Final = (
    "metrics are not taken here: Prometheus scrapes them from /metrics of each service "
    "(set OTEL_METRICS_EXPORTER=none)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one request may hold, in bytes."""

    body_bytes: int = 4 * 1024 * 1024
    inflated_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A request that was decoded: what to write, and what to answer once it is written."""

    records: Records
    answer: bytes


class _Refusal(Exception):  # noqa: N818 - reads as the answer it is
    """An answer other than 200."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def collector_app(store: TelemetryStore, *, clock: Clock, limits: Limits | None = None) -> Starlette:
    """The collector as an ASGI application; it closes the store when it is shut down."""
    bounds = limits or Limits()

    async def traces(request: Request) -> Response:
        return await _export(request, store, bounds, lambda body, how: _taken_traces(body, how, clock.now()))

    async def logs(request: Request) -> Response:
        return await _export(request, store, bounds, lambda body, how: _taken_logs(body, how, clock.now()))

    async def health(_: Request) -> Response:
        alive = store.alive
        state = {"status": "ok" if alive else "the writer has stopped", "records": asdict(store.counts)}
        return JSONResponse(state, status_code=200 if alive else 503)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(store.close)

    return Starlette(
        routes=[
            Route("/v1/traces", traces, methods=["POST"]),
            Route("/v1/logs", logs, methods=["POST"]),
            Route("/v1/metrics", _no_metrics, methods=["POST"]),
            Route("/healthz", health, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


async def _no_metrics(request: Request) -> Response:
    return _refused(_Refusal(404, _NOT_FOUND, _NO_METRICS), _encoding(request) or Encoding.JSON)


async def _export(
    request: Request, store: TelemetryStore, limits: Limits, take: Callable[[bytes, Encoding], _Taken]
) -> Response:
    encoding = _encoding(request)
    if encoding is None:
        kinds = " or ".join(kind.value for kind in Encoding)
        wrong_kind = _Refusal(415, _INVALID_ARGUMENT, f"the content type must be {kinds}")
        return _refused(wrong_kind, Encoding.JSON)
    try:
        taken = await _decoded(request, limits, lambda body: take(body, encoding))
        await _written(store, taken.records)
    except _Refusal as refusal:
        return _refused(refusal, encoding)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it
    return Response(taken.answer, media_type=encoding.value)


async def _decoded(request: Request, limits: Limits, take: Callable[[bytes], _Taken]) -> _Taken:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in CODINGS:
        raise _Refusal(415, _INVALID_ARGUMENT, f"the content coding must be one of {', '.join(CODINGS)}")
    try:
        body = await read_body(request.stream(), max_bytes=limits.body_bytes)
        if len(body) <= _SMALL_BYTES and coding == "identity":
            return take(body)
        return await asyncio.to_thread(lambda: take(inflate(body, coding, max_bytes=limits.inflated_bytes)))
    except TooLarge as error:
        raise _Refusal(413, _RESOURCE_EXHAUSTED, f"{error}; send smaller batches") from error
    except (Garbled, NotOtlp) as error:
        raise _Refusal(400, _INVALID_ARGUMENT, str(error)) from error


async def _written(store: TelemetryStore, records: Records) -> None:
    if not records:
        return
    try:
        await asyncio.wrap_future(store.offer(records))
    except StoreBusy as error:
        raise _Refusal(503, _UNAVAILABLE, f"{error}; send it again") from error


def _taken_traces(body: bytes, encoding: Encoding, received_at: float) -> _Taken:
    records = records_of_traces(otlp.traces_request(body, encoding), received_at=received_at)
    reason = "a trace id has 16 bytes, a span id 8, and neither is all zeros" if records.rejected else ""
    return _Taken(
        records=records, answer=otlp.traces_answer(encoding, rejected=records.rejected, reason=reason)
    )


def _taken_logs(body: bytes, encoding: Encoding, received_at: float) -> _Taken:
    records = records_of_logs(otlp.logs_request(body, encoding), received_at=received_at)
    return _Taken(records=records, answer=otlp.logs_answer(encoding))


def _encoding(request: Request) -> Encoding | None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return next((encoding for encoding in Encoding if encoding.value == kind), None)


def _refused(refusal: _Refusal, encoding: Encoding) -> Response:
    # The rest of a body that was refused unread would be taken for the next request.
    headers = {"Connection": "close"} if refusal.status == 413 else {}
    if refusal.status == 503:
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    body = otlp.status_answer(encoding, code=refusal.code, message=refusal.message)
    return Response(body, status_code=refusal.status, media_type=encoding.value, headers=headers)
