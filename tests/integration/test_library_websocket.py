"""WebSockets on a real server: open ones, and how they ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from fastapi import APIRouter, FastAPI, WebSocket

from library_server import eventually, serving
from shopwatch import catalogue
from shopwatch.testing import Watched, watch

DURATION = catalogue.WEBSOCKET_DURATION
ACTIVE = catalogue.WEBSOCKET_ACTIVE


def shop() -> FastAPI:
    app, router = FastAPI(), APIRouter(prefix="/carts")

    @router.websocket("/{cart}/live")
    async def live(socket: WebSocket, cart: int) -> None:
        await socket.accept()
        said = await socket.receive_text()
        if said == "fail":
            raise KeyError("cart")
        await socket.send_text(f"{cart}: {said}")
        if said == "end":
            await socket.close(4_242)
        else:
            await socket.receive_text()

    app.include_router(router)
    return app


@pytest.fixture
def watched() -> Iterator[Watched[Any]]:
    with watch(shop()) as found:
        yield found


@pytest.mark.parametrize(
    ("said", "code", "error"),
    [
        ("end", catalogue.OTHER, ""),
        ("fail", "", "KeyError"),
        ("leave", "1000", "starlette.websockets.WebSocketDisconnect"),
    ],
)
def test_a_websocket_is_measured_by_route_and_end(
    watched: Watched[Any], said: str, code: str, error: str
) -> None:
    async def talk(url: str) -> None:
        live = f"{url}/carts/7/live"
        async with aiohttp.ClientSession() as session, session.ws_connect(live) as socket:
            assert watched.value(ACTIVE) == 1
            await socket.send_str(said)
            with contextlib.suppress(TypeError):
                await socket.receive_str(timeout=5)

    with serving(watched.app) as url:
        asyncio.run(talk(url))
        assert eventually(lambda: watched.value(DURATION)) == 1
    labels = {"http_route": "/carts/{cart}/live", "shopwatch_websocket_close_code": code, "error_type": error}
    watched.assert_metric(DURATION, 1, **labels)
    watched.assert_metric(ACTIVE, 0)
