"""httpx: requests to another service pass the trace on, and are timed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from opentelemetry import propagate
from opentelemetry.trace import SpanKind

from shopwatch import catalogue
from shopwatch.hooks.operation import Operation, begin, running

Client = TypeVar("Client", httpx.Client, httpx.AsyncClient)


def instrument_client(client: Client, peer: str) -> Client:
    """Watch every request of a client, redirects within it included.

    Makes a CLIENT span, passes the trace on in ``traceparent``, and records
    ``http.client.request.duration`` until the answer's head (its body too unless it is streamed).
    ``error.type`` is the status of an answer of 500 and above, or the exception's type.

    Args:
        client: a ``httpx.Client`` or ``httpx.AsyncClient``; changed in place. A second call does nothing.
        peer: ``service.peer.name``, the name of the service that it calls.

    Returns:
        The same client.
    """
    if hasattr(client.send, "__wrapped__"):
        return client
    if isinstance(client, httpx.AsyncClient):
        client.send = _asynchronous(client.send, peer)  # type: ignore[method-assign]
    else:
        client.send = _synchronous(client.send, peer)  # type: ignore[method-assign]
    return client


def _synchronous(send: Callable[..., httpx.Response], peer: str) -> Callable[..., httpx.Response]:
    @functools.wraps(send)
    def watched(request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx' own options
        with _request(request, peer) as operation:
            response = send(request, **options)
            _answered(operation, response)
            return response

    return watched


def _asynchronous(
    send: Callable[..., Coroutine[Any, Any, httpx.Response]], peer: str
) -> Callable[..., Coroutine[Any, Any, httpx.Response]]:
    @functools.wraps(send)
    async def watched(request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401 - as above
        with _request(request, peer) as operation:
            response = await send(request, **options)
            _answered(operation, response)
            return response

    return watched


@contextmanager
def _request(request: httpx.Request, peer: str) -> Iterator[Operation]:
    method = request.method if request.method in catalogue.HTTP_METHODS else catalogue.OTHER
    attributes = {catalogue.HTTP_METHOD: method, catalogue.PEER_SERVICE: peer}
    started = begin(catalogue.HTTP_CLIENT_DURATION, f"{method} {peer}", SpanKind.CLIENT, attributes)
    with running(started):
        propagate.inject(request.headers)
        yield started


def _answered(operation: Operation, response: httpx.Response) -> None:
    operation.attributes[catalogue.HTTP_STATUS] = str(response.status_code)
    if response.status_code >= 500:
        operation.failed(str(response.status_code))
