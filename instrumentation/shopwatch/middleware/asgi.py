"""The ASGI adapter: what begins and ends a request, and the endpoints that the library serves itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from functools import partial
from time import perf_counter_ns
from typing import Any, Final

from shopwatch import catalogue
from shopwatch.caller import Caller, Callers
from shopwatch.health import ReadinessProbe
from shopwatch.middleware.endpoints import READINESS, Endpoints
from shopwatch.middleware.notes import ERROR
from shopwatch.middleware.record import Recorder
from shopwatch.middleware.route import Templates
from shopwatch.middleware.websocket import WebSockets
from shopwatch.spans import RequestSpan
from shopwatch.telemetry import Telemetry
from shopwatch.tracing import error_type

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MARK: Final = "shopwatch.measured"  # in the scope of a request that is measured already
_DISCONNECT_CHECK_NS: Final = 100_000_000
"""From this age on, a request is asked at its end whether its client is still there."""


class ASGIMiddleware:
    """Measures every HTTP request and WebSocket of an application; passes lifespan through.

    Args:
        app: the application.
        telemetry: of the service.
        readiness: what ``/readyz`` asks.
    """

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry, readiness: ReadinessProbe) -> None:
        self.app = app
        self._templates = Templates()
        self._recorder = Recorder(telemetry)
        self._ending = telemetry.ending
        self._endpoints = Endpoints(telemetry, readiness)
        self._websockets = WebSockets(telemetry)
        self._runtime = telemetry.runtime
        self._drain = telemetry.drain
        self._at_home = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if not self._at_home:
            self._arrive()
        if scope["type"] == "websocket" and _MARK not in scope:
            await self._serve_websocket(scope, receive, send)
            return
        if scope["type"] != "http" or _MARK in scope:
            await self.app(scope, receive, self._flushing(send) if scope["type"] == "lifespan" else send)
            return
        path = scope["path"]
        root_path = scope.get("root_path", "")
        asked = path.removeprefix(root_path) if root_path else path
        if self._endpoints.has(asked) and scope["method"] in ("GET", "HEAD"):
            await self._serve(asked, scope, send)
            return
        scope[_MARK] = True
        request = ASGIRequest(self._recorder, self._templates, scope, root_path, receive, send)
        try:
            await self.app(scope, request.receive, request.send)
        except BaseException as error:
            request.raised(error)
            raise
        else:
            if request.outcome is None:
                request.returned()
        finally:
            self._recorder.release(request)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_MARK] = True
        root_path = scope.get("root_path", "")

        async def run(receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)

        await self._websockets.serve(run, receive, send, lambda: self._templates.of(scope, root_path))

    def _arrive(self) -> None:
        """The event loop and the server's signal handlers are there from the first connection on."""
        self._at_home = True
        if self._runtime is not None:
            self._runtime.follow(asyncio.get_running_loop())
        if self._drain is not None:
            self._drain.arm()

    def _flushing(self, send: Send) -> Send:
        """Export what waits before the server hears that the application is down.

        Servers may end the process by a signal then, so that nothing that is registered at exit runs.
        """

        async def flush_first(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await asyncio.to_thread(self._ending.flush)
            await send(message)

        return flush_first

    async def _serve(self, path: str, scope: Scope, send: Send) -> None:
        if path == READINESS:
            answer = await self._endpoints.ready()
        else:
            answer = await asyncio.to_thread(self._endpoints.answer, path, partial(_header, scope))
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


class ASGIRequest(RequestSpan):
    """One request: its span, and what its messages tell of how it ended."""

    _answer: int | None = None
    _disconnected = False

    def __init__(
        self,
        recorder: Recorder,
        templates: Templates,
        scope: Scope,
        root_path: str,
        receive: Receive,
        send: Send,
    ) -> None:
        self.origin = recorder.origin
        self.path = scope["path"]
        self.scheme = "https" if scope.get("scheme") == "https" else "http"
        self._recorder = recorder
        self._templates = templates
        self._scope = scope
        self._root_path = root_path
        self._receive = receive
        self._send = send
        self.clock = perf_counter_ns()
        recorder.begin(self, scope["method"])

    @property
    def route(self) -> str:
        """The template of the route that took it; empty as long as none has."""
        outcome = self.outcome
        return self._templates.of(self._scope, self._root_path) if outcome is None else outcome.route

    def caller(self, callers: Callers) -> Caller | None:
        """Who called, as its headers say."""
        return callers.of_asgi(self._scope["headers"])

    async def receive(self) -> Message:
        """What the application calls for the next message."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.elapsed:
            self._disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """What the application calls to answer."""
        kind = message["type"]
        last = False
        if kind == "http.response.start":
            self._answer = message["status"]
        elif kind == "http.response.body":
            last = not message.get("more_body", False)
        elif kind == "http.response.pathsend":
            last = True
        if last and not self._disconnected and self.age() > _DISCONNECT_CHECK_NS:
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
        # A body that nobody read comes before the disconnect: two messages for most servers.
        return any(_poll(self._receive) == "http.disconnect" for _ in range(3))

    def _completed(self) -> None:
        """Stop the clock: background tasks come after.

        A server error is recorded only when the application returns, since its exception comes later.
        """
        self.stop()
        if self._answer is None or self._answer < 500 or self._disconnected:
            self._end(catalogue.CLIENT_DISCONNECT if self._disconnected else "")

    def returned(self) -> None:
        """The application came back."""
        if self.outcome is not None:
            return
        if self._disconnected:
            self._end(catalogue.CLIENT_DISCONNECT)
        elif self.elapsed:
            error = self._scope.get(ERROR)  # that a framework made its answer of
            self._end(str(self._answer) if error is None else error_type(error), error)
        else:
            self._answer = 500 if self._answer is None else self._answer  # the server answers in its place
            self._end(catalogue.INCOMPLETE_RESPONSE)

    def raised(self, error: BaseException) -> None:
        """The application raised."""
        if self.outcome is not None:
            if isinstance(error, Exception) and not self._disconnected:
                self._recorder.background_failed(self, error)
            return
        if self._disconnected:
            self._end(catalogue.CLIENT_DISCONNECT)
            return
        if self._answer is None and isinstance(error, Exception):
            self._answer = 500  # the server answers in its place
        self._end(error_type(error), error)

    def _end(self, failure: str, error: BaseException | None = None) -> None:
        if failure == catalogue.CLIENT_DISCONNECT and self._answer is not None and self._answer >= 500:
            self._answer = None  # what a framework answers to nobody, because nobody is there
        self._recorder.end(self, self._answer, failure, error)


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


def _header(scope: Scope, name: str) -> str:
    wanted = name.encode()
    return ",".join(value.decode("latin-1") for known, value in scope["headers"] if known == wanted)
