"""A service in a process of its own: prints its port, then serves until it is told to stop."""

from __future__ import annotations

import logging
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shopwatch import instrument

_log = logging.getLogger("shop.orders")


async def order(request: Request) -> PlainTextResponse:
    """Answer with the order's number."""
    _log.info("order %s", request.path_params["order_id"])
    return PlainTextResponse(request.path_params["order_id"])


def main() -> None:
    """Serve on a free port."""
    app = instrument(Starlette(routes=[Route("/orders/{order_id}", order)]), service="orders", version="1")
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(f"port {listener.getsockname()[1]}", flush=True)  # noqa: T201 - the test reads it
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
