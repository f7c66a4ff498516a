"""PrometheusSource against a server that does everything wrong, byte by byte."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from shopwatch_engine.exceptions import SourceError
from shopwatch_engine.sources import PrometheusSource

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]
EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


class Hostile:
    """A server that reads a request whole and then behaves as it was told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.requests: list[bytes] = []
        self.port = 0
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.create_task(self.handle(reader, writer)))

    async def end(self) -> None:
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        self.requests.append(head + await reader.readexactly(length))
        with contextlib.suppress(ConnectionError):  # the source hung up first, as it may
            await self._behaviour(writer)


@asynccontextmanager
async def hostile(behaviour: Behaviour) -> AsyncIterator[Hostile]:
    box = Hostile(behaviour)
    server = await asyncio.start_server(box.accept, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await box.end()


@asynccontextmanager
async def source(url: str, **more: float) -> AsyncIterator[PrometheusSource]:
    made = PrometheusSource(
        url, timeout_s=more.get("timeout_s", 5.0), max_answer_bytes=int(more.get("limit", 10_000))
    )
    try:
        yield made
    finally:
        await made.close()


def says(raw: bytes) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return behave


def http(status: str, body: bytes = b"", headers: str = "Content-Type: application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def hangs(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hangs_half_way(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.Event().wait()


async def never_ends(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b" " * 1024 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    ("behaviour", "culprit", "said"),
    [
        pytest.param(says(b""), False, "the answer broke off", id="hangs-up"),
        pytest.param(says(b"\x00\x01 nonsense\r\n\r\n"), False, "the answer broke off", id="not-http"),
        pytest.param(hangs, False, "no answer within 0.2 s", id="hangs"),
        pytest.param(hangs_half_way, False, "no answer within 0.2 s", id="hangs-half-way"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), False, "the answer broke off", id="half"
        ),
        pytest.param(never_ends, True, "more than 10000 bytes", id="too-long"),
        pytest.param(says(http("500 No")), False, "HTTP 500", id="500"),
        pytest.param(says(http("200 OK", b"<html>", "Content-Type: text/html")), False, "HTML", id="html"),
        pytest.param(
            says(http("302 Found", b"", "Location: https://u:secret@login.example/sso?code=secret")),
            False,
            "redirects to https://login.example/sso;",
            id="redirect",
        ),
        pytest.param(
            says(http("307 Moved", b"", "Location: /prom/x")), False, "/prom/x", id="redirect-on-the-host"
        ),
        pytest.param(
            says(http("301 Moved", b"", "Location: http://[")),
            False,
            "redirects to nowhere",
            id="redirect-nowhere",
        ),
        pytest.param(
            says(http("200 OK", b"not gzip", "Content-Encoding: gzip")),
            False,
            "the answer broke off",
            id="not-gzip",
        ),
    ],
)
async def test_every_failure_is_a_source_error(behaviour: Behaviour, culprit: bool, said: str) -> None:  # noqa: FBT001 - a table's column
    timeout_s = 0.2 if "within 0.2" in said else 5.0
    async with (
        hostile(behaviour) as server,
        source(f"http://127.0.0.1:{server.port}", timeout_s=timeout_s) as asked,
    ):
        with pytest.raises(SourceError, match=said) as raised:
            await asked.query("up", 1.0)
        assert raised.value.culprit is culprit
        assert "secret" not in str(raised.value)
        with pytest.raises(SourceError, match=said):
            await asked.exemplars("up", 1.0, 2.0)


async def test_nobody_listens() -> None:
    async with hostile(says(b"")) as server:
        port = server.port
    async with source(f"http://127.0.0.1:{port}") as asked:
        with pytest.raises(SourceError, match=r"cannot connect \(Connect.*\); is it running"):
            await asked.query("up", 1.0)


async def test_a_host_that_does_not_exist() -> None:
    async with source("http://prometheus.invalid:9090") as asked:
        with pytest.raises(
            SourceError, match=r"Prometheus at http://prometheus.invalid:9090: cannot connect"
        ):
            await asked.query("up", 1.0)


async def test_how_it_asks() -> None:
    async with hostile(says(http("200 OK", EMPTY))) as server:
        url = f"http://me:pass%40word@127.0.0.1:{server.port}/prometheus/"
        asked = PrometheusSource(url, headers={"X-Scope-OrgID": "shop"})
        assert await asked.query("up == 0", 1234.5678) == ()
        await asked.close()
        assert await asked.query("up == 0", 1.0) == ()  # closed is not for ever
        await asked.close()
    request = server.requests[0].decode()
    head, _, body = request.partition("\r\n\r\n")
    assert head.startswith("POST /prometheus/api/v1/query HTTP/1.1\r\n")
    assert "Accept-Encoding: identity" in head
    assert "X-Scope-OrgID: shop" in head
    assert f"Authorization: Basic {base64.b64encode(b'me:pass@word').decode()}" in head
    assert body == "query=up+%3D%3D+0&time=1234.568&timeout=9.000"


async def test_credentials_show_nowhere() -> None:
    asked = PrometheusSource(
        "http://me:hidden@127.0.0.1:1/x?token=hidden", headers={"Authorization": "hidden"}
    )
    with pytest.raises(SourceError) as raised:
        await asked.query("up", 1.0)
    await asked.close()
    shown = f"{asked!r} {asked} {asked.address} {raised.value} {raised.value!r} {vars(asked)}"
    assert "hidden" not in shown
    assert asked.address == "http://127.0.0.1:1/x"


@pytest.mark.parametrize(
    "url", ["", "prometheus:9090", "ftp://x", "http://", "http://me:hidden@x:99999", "http://[me:hidden@"]
)
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SourceError, match="not of the form http://HOST:PORT") as raised:
        PrometheusSource(url)
    assert "hidden" not in str(raised.value)


async def test_questions_share_few_connections() -> None:
    underway = 0
    most = 0

    async def slowly(writer: asyncio.StreamWriter) -> None:
        nonlocal underway, most
        underway += 1
        most = max(most, underway)
        await asyncio.sleep(0.01)
        underway -= 1
        writer.write(http("200 OK", EMPTY, "Connection: close"))

    async with hostile(slowly) as server, source(f"http://127.0.0.1:{server.port}") as asked:
        await asyncio.gather(*(asked.query("up", 1.0) for _ in range(20)))
    assert len(server.requests) == 20
    assert most <= 4
