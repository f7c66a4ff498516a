"""The hooks of HTTP clients and of gRPC, each on the real library against a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import grpc
import grpc.aio
import httpx
import pytest
import requests
import urllib3
from opentelemetry.trace import SpanKind

from library_server import dead_address, eventually
from shopwatch import catalogue
from shopwatch.settings import HOOK_NAMES
from shopwatch.testing import Watched, watch

CLIENT = catalogue.HTTP_CLIENT_DURATION
HOOKS = ("requests", "httpx", "urllib3", "aiohttp", "grpc")


class Payments(BaseHTTPRequestHandler):
    """Answers the status that its path names; ``/flaky`` fails the first time."""

    flaky = True
    seen: list[str | None]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("traceparent"))
        if self.path == "/moved":
            return self._answer(302, "/200")
        if self.path == "/flaky":
            status, type(self).flaky = (503 if self.flaky else 200), False
            return self._answer(status)
        return self._answer(int(self.path[1:].partition("?")[0]))

    do_POST = do_GET  # noqa: N815 - the library's own

    def _answer(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests need no lines."""


@pytest.fixture
def seen() -> list[str | None]:
    return []


@pytest.fixture
def url(seen: list[str | None]) -> Iterator[str]:
    handler = type("Handler", (Payments,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


async def _idle(scope: Any, receive: Any, send: Any) -> None:
    """An application that nobody asks."""


@pytest.fixture
def watched() -> Iterator[Watched[Any]]:
    environ = {"SHOPWATCH_PEERS": "127.0.0.1=payments"}
    with watch(_idle, environ=environ, hooks=HOOKS) as found:
        yield found


def by_requests(method: str, url: str) -> int:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=10).status_code


def by_httpx(method: str, url: str) -> int:
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        return client.request(method, url).status_code


def by_httpx_async(method: str, url: str) -> int:
    async def ask() -> int:
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
            return (await client.request(method, url)).status_code

    return asyncio.run(ask())


def by_urllib3(method: str, url: str) -> int:
    with urllib3.PoolManager(retries=urllib3.Retry(None, connect=0, redirect=2)) as pool:
        return pool.request(method, url).status


def by_aiohttp(method: str, url: str) -> int:
    async def ask() -> int:
        async with aiohttp.ClientSession() as session, session.request(method, url) as response:
            return response.status

    return asyncio.run(ask())


CLIENTS = [by_requests, by_httpx, by_httpx_async, by_urllib3, by_aiohttp]
every_client = pytest.mark.parametrize("ask", CLIENTS, ids=lambda ask: ask.__name__)
Ask = Callable[[str, str], int]


@every_client
@pytest.mark.parametrize(("status", "error"), [(200, ""), (404, "404"), (503, "503")])
def test_a_request_is_timed_once_and_carries_the_trace(
    watched: Watched[Any], url: str, seen: list[str | None], ask: Ask, status: int, error: str
) -> None:
    with watched.telemetry.tracer.start_as_current_span("checkout") as checkout:
        assert ask("POST", f"{url}/{status}?card=4111111111111111&token=abcdef0123456789") == status
    assert watched.value(CLIENT) == 1
    labels = {
        "http_request_method": "POST",
        "service_peer_name": "payments",
        "http_response_status_code": str(status),
        "error_type": error,
    }
    assert watched.value(CLIENT, **labels) == 1
    (span,) = [span for span in watched.spans() if span.kind is SpanKind.CLIENT]
    assert span.context.trace_id == checkout.get_span_context().trace_id
    (header,) = seen
    assert header is not None
    assert header.split("-")[1:3] == [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert "4111111111111111" not in str(dict(span.attributes))
    assert watched.value(catalogue.TELEMETRY_ERRORS) == 0


@every_client
def test_who_cannot_be_reached_is_an_error(watched: Watched[Any], ask: Ask) -> None:
    with pytest.raises(Exception, match=r".") as failed:
        ask("GET", dead_address())
    assert watched.value(CLIENT, http_response_status_code="", service_peer_name="payments") == 1
    (kind,) = [labels["error_type"] for labels in watched.labels(CLIENT)]
    assert kind.partition(".")[0] == type(failed.value).__module__.partition(".")[0]


@every_client
def test_after_a_redirect_the_last_answer_is_counted(watched: Watched[Any], url: str, ask: Ask) -> None:
    assert ask("GET", f"{url}/moved") == 200
    assert watched.value(CLIENT, http_response_status_code="200") == 1
    assert watched.value(catalogue.CLIENT_RETRIES) == 0


def test_retries_are_counted_by_who_was_asked(watched: Watched[Any], url: str) -> None:
    adapter = requests.adapters.HTTPAdapter(
        max_retries=urllib3.Retry(3, status_forcelist=[503], backoff_factor=0)
    )
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", adapter)
        assert session.get(f"{url}/flaky", timeout=10).status_code == 200
    assert watched.value(catalogue.CLIENT_RETRIES, service_peer_name="payments") == 1
    assert watched.value(CLIENT) == 1


def test_hosts_without_a_name_are_told_apart_up_to_a_bound(watched: Watched[Any]) -> None:
    for number in range(2, 140):
        with pytest.raises(requests.ConnectionError):
            by_requests("GET", f"http://127.0.1.{number}:1/")
    peers = {labels["service_peer_name"] for labels in watched.labels(CLIENT)}
    assert catalogue.OTHER in peers
    assert len(peers) <= 101


def test_nothing_is_left_of_a_hook_that_is_off(url: str) -> None:
    before = [
        requests.adapters.HTTPAdapter.send,
        urllib3.HTTPConnectionPool.urlopen,
        aiohttp.ClientSession._request,
    ]
    with watch(_idle, hooks=("all",)) as watched:
        by_requests("GET", f"{url}/200")
    assert watched.value(CLIENT) == 1
    by_requests("GET", f"{url}/200")
    assert watched.value(CLIENT) == 1
    after = [
        requests.adapters.HTTPAdapter.send,
        urllib3.HTTPConnectionPool.urlopen,
        aiohttp.ClientSession._request,
    ]
    assert after == before


def test_every_name_of_the_settings_is_a_hook() -> None:
    from shopwatch.hooks.switch import HOOKS as TABLE  # noqa: PLC0415 - of this test alone

    assert tuple(TABLE) == HOOK_NAMES


# ---------------------------------------------------------------- gRPC
@contextmanager
def stock_service(*, fails: bool = False) -> Iterator[tuple[str, list[Any]]]:
    metadata: list[Any] = []

    def get(request: bytes, context: grpc.ServicerContext) -> bytes:
        metadata.append(dict(context.invocation_metadata()))
        if fails:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such product")
        return request

    def watch_stock(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        metadata.append(dict(context.invocation_metadata()))
        yield from (request, request)

    handlers = {
        "Get": grpc.unary_unary_rpc_method_handler(get),
        "Watch": grpc.unary_stream_rpc_method_handler(watch_stock),
    }
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Stock", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", metadata
    server.stop(None).wait(10)


def call_blocking(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        channel.unary_unary("/shop.Stock/Get")(b"mug", timeout=10)
        assert list(channel.unary_stream("/shop.Stock/Watch")(b"mug", timeout=10)) == [b"mug", b"mug"]


def call_awaiting(target: str) -> None:
    async def call() -> None:
        async with grpc.aio.insecure_channel(target) as channel:
            await channel.unary_unary("/shop.Stock/Get")(b"mug", timeout=10)
            answers = [one async for one in channel.unary_stream("/shop.Stock/Watch")(b"mug", timeout=10)]
            assert answers == [b"mug", b"mug"]

    asyncio.run(call())


both_ways = pytest.mark.parametrize("call", [call_blocking, call_awaiting], ids=["blocking", "asyncio"])
RPC = catalogue.RPC_CLIENT_DURATION


@both_ways
def test_calls_of_grpc_are_timed_to_their_end(watched: Watched[Any], call: Callable[[str], None]) -> None:
    with stock_service() as (target, metadata), watched.telemetry.tracer.start_as_current_span("checkout"):
        call(target)
    for method in ("shop.Stock/Get", "shop.Stock/Watch"):
        labels = {
            "rpc_system_name": "grpc",
            "rpc_method": method,
            "service_peer_name": "payments",
            "rpc_response_status_code": "OK",
            "error_type": "",
        }
        assert eventually(lambda labels=labels: watched.value(RPC, **labels)) == 1
    assert all("traceparent" in one for one in metadata)
    if call is call_awaiting:  # the other instrumentation only knows the process' own provider
        assert {span.name for span in watched.spans()} >= {"/shop.Stock/Get", "/shop.Stock/Watch"}


@both_ways
def test_a_call_of_grpc_that_fails_says_how(watched: Watched[Any], call: Callable[[str], None]) -> None:
    with stock_service(fails=True) as (target, _), pytest.raises(grpc.RpcError):
        call(target)
    assert (
        eventually(lambda: watched.value(RPC, rpc_response_status_code="NOT_FOUND", error_type="NOT_FOUND"))
        == 1
    )
