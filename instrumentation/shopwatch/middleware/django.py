"""Django: the route of a request, and the exception that its error page was made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from shopwatch.middleware.notes import ERROR, ROUTE


@runtime_checkable
class Handler(Protocol):
    """What Django's WSGI and ASGI applications have in common."""

    resolve_request: Callable[[Any], Any]
    get_response: Callable[[Any], Any]


def note_routes(handler: Handler) -> None:
    """Have a handler note each request's route and unhandled exception where the middleware finds them."""
    from django.core.signals import got_request_exception  # noqa: PLC0415 - the handler has loaded it

    resolve = handler.resolve_request

    def noting(request: Any) -> Any:  # noqa: ANN401 - Django publishes no types
        match = resolve(request)
        _notes(request)[ROUTE] = f"/{match.route.removeprefix('^').removesuffix('$').lstrip('/')}"
        return match

    handler.resolve_request = noting
    got_request_exception.connect(_failed, dispatch_uid="shopwatch")


def _failed(*, request: Any = None, **_: Any) -> None:  # noqa: ANN401 - as above
    if request is not None:
        _notes(request)[ERROR] = sys.exc_info()[1]


def _notes(request: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """The request's ASGI scope or WSGI environment."""
    scope = getattr(request, "scope", None)
    found: dict[str, Any] = request.META if scope is None else scope
    return found
