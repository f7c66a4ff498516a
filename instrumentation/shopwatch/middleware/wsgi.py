"""The WSGI adapter: what begins and ends a request, and the endpoints that the library serves itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import get_ident
from time import perf_counter_ns
from typing import Any, Final

from shopwatch import catalogue
from shopwatch.caller import Caller, Callers
from shopwatch.health import ReadinessProbe
from shopwatch.middleware.endpoints import Answer, Endpoints
from shopwatch.middleware.notes import ERROR, ROUTE
from shopwatch.middleware.record import Recorder
from shopwatch.spans import RequestSpan
from shopwatch.telemetry import Telemetry
from shopwatch.tracing import error_type

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_WERKZEUG: Final = "werkzeug.request"  # where Werkzeug, and so Flask, leaves the request
_MARK: Final = "shopwatch.measured"
_REASONS: Final = {200: "OK", 401: "Unauthorized", 503: "Service Unavailable"}


class WSGIMiddleware:
    """Measures every request of an application.

    Args:
        app: the application.
        telemetry: of the service.
        readiness: what ``/readyz`` asks.
    """

    def __init__(self, app: WSGIApp, *, telemetry: Telemetry, readiness: ReadinessProbe) -> None:
        self.app = app
        self._recorder = Recorder(telemetry)
        self._endpoints = Endpoints(telemetry, readiness)
        self._drain = telemetry.drain

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if self._drain is not None:  # the server has set its signal handlers by now
            self._drain.arm()
            self._drain = None
        if _MARK in environ:
            return self.app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        if method in ("GET", "HEAD") and self._endpoints.has(environ.get("PATH_INFO", "")):
            answer = self._endpoints.answer(environ["PATH_INFO"], _headers(environ))
            return _served(answer, method, start_response)
        environ[_MARK] = True
        request = WSGIRequest(self._recorder, environ, start_response)
        try:
            body = self.app(environ, request.start_response)
        except BaseException as error:
            request.raised(error)
            request.release()
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if wrapper is not None and isinstance(wrapper, type) and isinstance(body, wrapper):
            request.returned()  # the server sends the file by itself
            request.release()
            return body
        return _Body(body, request)


class WSGIRequest(RequestSpan):
    """One request: its span, and how it was answered."""

    _answer: int | None = None
    _werkzeugs: object = None

    def __init__(self, recorder: Recorder, environ: Environ, start_response: StartResponse) -> None:
        self.origin = recorder.origin
        self.path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        self.scheme = "https" if environ.get("wsgi.url_scheme") == "https" else "http"
        self._recorder = recorder
        self._environ = environ
        self._script_name = environ.get("SCRIPT_NAME", "")
        self._start_response = start_response
        self._thread = get_ident()
        self.clock = perf_counter_ns()
        recorder.begin(self, environ["REQUEST_METHOD"])

    @property
    def route(self) -> str:
        """The template of the route that took it; empty as long as none has."""
        if self.outcome is not None:
            return self.outcome.route
        noted = self._environ.get(ROUTE)
        if noted is None:
            werkzeugs = self._werkzeugs or self._environ.get(_WERKZEUG)
            noted = getattr(getattr(werkzeugs, "url_rule", None), "rule", "")
        mounts = self._environ.get("SCRIPT_NAME", "").removeprefix(self._script_name) if noted else ""
        return f"{mounts}{noted}"

    def shown_path(self) -> str:
        """The path with secrets masked; WSGI hands it on as Latin-1."""
        if not self.path_shown:
            self.path = self.path.encode("latin-1", "replace").decode("utf-8", "replace")
        return super().shown_path()

    def caller(self, callers: Callers) -> Caller | None:
        """Who called, as its headers say."""
        return callers.of_environ(self._environ)

    def start_response(self, status: str, *more: Any) -> Callable[[bytes], object]:  # noqa: ANN401 - WSGI's own
        """What the application calls to answer."""
        self._werkzeugs = self._environ.get(_WERKZEUG)  # Flask takes it away when its context ends
        self._answer = int(status[:3]) if status[:3].isdigit() else None
        return self._start_response(status, *more)

    def raised(self, error: BaseException) -> None:
        """The application raised, before the answer or within it."""
        if self._answer is None and isinstance(error, Exception):
            self._answer = 500  # the server answers in its place
        self._recorder.end(self, self._answer, error_type(error), error)

    def returned(self) -> None:
        """The answer is complete."""
        status, error = self._answer, self._environ.get(ERROR)
        if status is None:
            self._recorder.end(self, 500, catalogue.INCOMPLETE_RESPONSE)
        elif status >= 500 and isinstance(error, Exception):
            self._recorder.end(self, status, error_type(error), error)
        else:
            self._recorder.end(self, status, str(status) if status >= 500 else "")

    def left(self) -> None:
        """The server closed the answer before its end: its client is gone."""
        self._recorder.end(self, self._answer, catalogue.CLIENT_DISCONNECT)

    def release(self) -> None:
        """Take the span off the context, and let go of what the request was made of."""
        self._environ = {}
        self._werkzeugs = None
        if get_ident() == self._thread:  # else a server has moved it, and the context stayed behind
            self._recorder.release(self)


class _Body:
    """An answer, watched to its end; the request's span stays the current one until then."""

    __slots__ = ("_body", "_ended", "_request")

    def __init__(self, body: Iterable[bytes], request: WSGIRequest) -> None:
        self._body = body
        self._request = request
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except GeneratorExit:
            raise
        except BaseException as error:
            self._ended = True
            self._request.raised(error)
            raise
        self._ended = True
        self._request.stop()

    def __len__(self) -> int:
        """As long as the answer says it is: servers take the length from it."""
        return len(self._body)  # type: ignore[arg-type] # a TypeError is the right answer for one without

    def close(self) -> None:
        """The server is done with it."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            if self._ended:
                self._request.returned()
            else:
                self._request.left()
            self._request.release()


def _headers(environ: Environ) -> Callable[[str], str]:
    def header(name: str) -> str:
        return str(environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

    return header


def _served(answer: Answer, method: str, start_response: StartResponse) -> Iterable[bytes]:
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    start_response(f"{answer.status} {_REASONS[answer.status]}", headers)
    return [b"" if method == "HEAD" else answer.body]
