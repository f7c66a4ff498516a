"""Django's ``MIDDLEWARE`` entry, for those who would rather not wrap ``application``.

::

    MIDDLEWARE = ["shopwatch.django.ShopwatchMiddleware", ...]      # first, so outermost
    SHOPWATCH = {"service": "orders", "readiness": {"database": database_answers}}

What is outside Django's middleware, such as a body that nobody reads to its end, is not seen from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpResponse

from shopwatch.bootstrap import set_up
from shopwatch.middleware.endpoints import Answer, Endpoints
from shopwatch.middleware.notes import ERROR, ROUTE
from shopwatch.middleware.record import Recorder
from shopwatch.middleware.wsgi import WSGIRequest

_ENVIRON: Final = "shopwatch_environ"  # of a request: what is noted of it on its way


class ShopwatchMiddleware:
    """Measures every request, under WSGI and ASGI; ``settings.SHOPWATCH`` has its arguments.

    Args:
        get_response: Django's own.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        telemetry, probe = set_up(**getattr(settings, "SHOPWATCH", {}))
        self._get_response = get_response
        self._recorder = Recorder(telemetry)
        self._endpoints = Endpoints(telemetry, probe)
        self._drain = telemetry.drain
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - Django publishes no types
        """Serve one request."""
        if self._is_async:
            return self._serve(request)
        answer = self._own(request)
        if answer is not None:
            return _response(answer)
        span = self._begin(request)
        try:
            response = self._get_response(request)
        except BaseException as error:
            self._raised(span, error)
            raise
        return self._ended(span, response)

    async def _serve(self, request: Any) -> Any:  # noqa: ANN401 - as above
        answer = await sync_to_async(self._own, thread_sensitive=False)(request)
        if answer is not None:
            return _response(answer)
        span = self._begin(request)
        try:
            response = await self._get_response(request)
        except BaseException as error:
            self._raised(span, error)
            raise
        return self._ended(span, response)

    def process_view(self, request: Any, *_: object) -> None:  # noqa: ANN401 - as above
        """Django has found the view."""
        route = request.resolver_match.route.removeprefix("^").removesuffix("$").lstrip("/")
        getattr(request, _ENVIRON)[ROUTE] = f"/{route}"

    def process_exception(self, request: Any, error: Exception) -> None:  # noqa: ANN401 - as above
        """The view raised; Django makes an error page of it."""
        getattr(request, _ENVIRON)[ERROR] = error

    def _own(self, request: Any) -> Answer | None:  # noqa: ANN401 - as above
        if self._drain is not None:
            self._drain.arm()
            self._drain = None
        if request.method not in ("GET", "HEAD") or not self._endpoints.has(request.path_info):
            return None
        return self._endpoints.answer(request.path_info, lambda name: request.headers.get(name, ""))

    def _begin(self, request: Any) -> WSGIRequest:  # noqa: ANN401 - as above
        environ = {
            **request.META,
            "SCRIPT_NAME": "",
            "PATH_INFO": request.path.encode().decode("latin-1"),  # as WSGI has it
            "wsgi.url_scheme": request.scheme,
        }
        setattr(request, _ENVIRON, environ)
        return WSGIRequest(self._recorder, environ, _unused)

    def _raised(self, span: WSGIRequest, error: BaseException) -> None:
        span.raised(error)
        span.release()

    def _ended(self, span: WSGIRequest, response: Any) -> Any:  # noqa: ANN401 - as above
        span.start_response(f"{response.status_code:03d} ")
        if not response.streaming:
            span.stop()
            span.returned()
            span.release()
            return response
        self._recorder.release(span)
        response._resource_closers.append(span.returned)  # noqa: SLF001 - what Django closes with a response
        return response


def _unused(*_: object) -> Callable[[bytes], object]:
    """Stands for what starts a response, which Django does itself."""
    return _written


def _written(data: bytes) -> object:
    """Nobody writes past a response."""
    return data


def _response(answer: Answer) -> Any:  # noqa: ANN401 - as above
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
