"""The ASGI adapter: what begins and ends a request, and the endpoints that the library serves itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final

from shopwatch import catalogue
from shopwatch.exposition import expose
from shopwatch.health import ReadinessProbe
from shopwatch.middleware.record import Recorder, RequestRecord
from shopwatch.middleware.route import template
from shopwatch.telemetry import Telemetry
from shopwatch.tracing import caller, error_type

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MARK: Final = "shopwatch.record"  # in the scope of a request that is measured already
_DISCONNECT_CHECK_NS: Final = 100_000_000
"""From this age on, a request is asked at its end whether its client is still there."""


class ASGIMiddleware:
    """Measures every HTTP request of an application; passes WebSockets and lifespan through.

    Args:
        app: the application.
        telemetry: of the service.
        readiness: what ``/readyz`` asks.
    """

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry, readiness: ReadinessProbe) -> None:
        self.app = app
        self._recorder = Recorder(telemetry)
        self._registry = telemetry.instruments.registry
        self._readiness = readiness
        self._ending = telemetry.ending
        self._endpoints: dict[str, Callable[[Scope, Send], Awaitable[None]]] = {
            "/metrics": self._metrics,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or _MARK in scope:
            await self.app(scope, receive, self._flushing(send) if scope["type"] == "lifespan" else send)
            return
        root_path = scope.get("root_path", "")
        endpoint = self._endpoints.get(scope["path"].removeprefix(root_path))
        if endpoint is not None and scope["method"] in ("GET", "HEAD"):
            await endpoint(scope, send)
            return
        scheme = "https" if scope.get("scheme") == "https" else "http"
        record = self._recorder.begin(scope["method"], scheme, scope["path"], caller(scope["headers"]))
        scope[_MARK] = record
        exchange = _Exchange(self._recorder, record, scope, root_path, receive, send)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.raised(error)
            raise
        else:
            exchange.returned()
        finally:
            self._recorder.release(record)

    def _flushing(self, send: Send) -> Send:
        """Export what waits before the server hears that the application is down.

        Servers may end the process by a signal then, so that nothing that is registered at exit runs.
        """

        async def flush_first(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await asyncio.to_thread(self._ending.flush)
            await send(message)

        return flush_first

    async def _metrics(self, scope: Scope, send: Send) -> None:
        accept = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")
        body, content_type = await asyncio.to_thread(expose, self._registry, accept)
        await _respond(scope, send, 200, content_type, body)

    async def _healthz(self, scope: Scope, send: Send) -> None:
        await _respond(scope, send, 200, "application/json", b'{"status":"ok"}')

    async def _readyz(self, scope: Scope, send: Send) -> None:
        said = await self._readiness()
        body = {"status": "ready" if said.ready else "not ready", "checks": dict(said.checks)}
        await _respond(scope, send, 200 if said.ready else 503, "application/json", json.dumps(body).encode())


class _Exchange:
    """Follows one request's messages to learn how it ended."""

    __slots__ = (
        "_disconnected",
        "_receive",
        "_record",
        "_recorder",
        "_root_path",
        "_scope",
        "_send",
        "_status",
    )

    def __init__(
        self,
        recorder: Recorder,
        record: RequestRecord,
        scope: Scope,
        root_path: str,
        receive: Receive,
        send: Send,
    ) -> None:
        self._recorder = recorder
        self._record = record
        self._scope = scope
        self._root_path = root_path
        self._receive = receive
        self._send = send
        self._status: int | None = None
        self._disconnected = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._record.elapsed:
            self._disconnected = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
        last = (
            kind == "http.response.body" and not message.get("more_body", False)
        ) or kind == "http.response.pathsend"
        if last and not self._disconnected:
            self._disconnected = self._client_left()
        try:
            await self._send(message)
        except OSError:  # how servers say that the client is gone
            self._disconnected = True
            raise
        if last:
            self._completed()

    def _client_left(self) -> bool:
        """Ask the server once, without waiting, if the request took long enough for someone to give up."""
        if self._record.age() < _DISCONNECT_CHECK_NS:
            return False
        # A body that nobody read comes before the disconnect: two messages for most servers.
        return any(_poll(self._receive) == "http.disconnect" for _ in range(3))

    def _completed(self) -> None:
        """Stop the clock: background tasks come after.

        A server error is recorded only when the application returns, since its exception comes later.
        """
        self._record.stop()
        if self._status is None or self._status < 500 or self._disconnected:
            self._end(catalogue.CLIENT_DISCONNECT if self._disconnected else "")

    def returned(self) -> None:
        """The application came back."""
        if self._record.done:
            return
        if self._disconnected:
            self._end(catalogue.CLIENT_DISCONNECT)
        elif self._record.elapsed:
            self._end(str(self._status))
        else:
            self._status = 500 if self._status is None else self._status  # the server answers in its place
            self._end(catalogue.INCOMPLETE_RESPONSE)

    def raised(self, error: BaseException) -> None:
        """The application raised."""
        if self._record.done:
            if isinstance(error, Exception) and not self._disconnected:
                self._recorder.background_failed(self._record, error)
            return
        if self._disconnected:
            self._end(catalogue.CLIENT_DISCONNECT)
            return
        if self._status is None and isinstance(error, Exception):
            self._status = 500  # the server answers in its place
        self._end(error_type(error), error)

    def _end(self, failure: str, error: BaseException | None = None) -> None:
        if failure == catalogue.CLIENT_DISCONNECT and self._status is not None and self._status >= 500:
            self._status = None  # what a framework answers to nobody, because nobody is there
        route = template(self._scope, self._root_path)
        self._recorder.end(self._record, route=route, status=self._status, failure=failure, error=error)


def _poll(receive: Receive) -> str:
    """The type of the message that is there now; empty when none is."""
    waiting = receive()
    if not isinstance(waiting, Coroutine):
        return ""
    try:
        waiting.send(None)
    except StopIteration as came:
        return str(came.value["type"])
    except Exception:  # noqa: BLE001 - a server that cannot be asked now says nothing
        return ""
    waiting.close()
    return ""


async def _respond(scope: Scope, send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [
        (b"content-type", content_type.encode("latin-1")),
        (b"content-length", str(len(body)).encode("latin-1")),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
