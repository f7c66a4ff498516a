"""A FastAPI service, as servers load it: ``asgi_shop:app``."""

from __future__ import annotations

import os
import signal

from fastapi import FastAPI

from shopwatch import catalogue, instrument, record

app = FastAPI()


@app.get("/orders/{order_id}")
async def order(order_id: int) -> dict[str, int]:
    record(catalogue.ORDERS, outcome="placed")
    record(catalogue.QUEUE_MESSAGES, order_id, destination_name="orders")
    return {"process": os.getpid()}


@app.get("/die")
async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


instrument(app, service="shop")
