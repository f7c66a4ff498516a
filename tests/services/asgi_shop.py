"""A FastAPI service, as servers load it: ``asgi_shop:app``."""

from __future__ import annotations

import gc
import os
import signal
import time

from fastapi import FastAPI

from shopwatch import catalogue, instrument, record

app = FastAPI()


@app.get("/orders/{order_id}")
async def order(order_id: int) -> dict[str, int]:
    record(catalogue.ORDERS, outcome="placed")
    record(catalogue.QUEUE_MESSAGES, order_id, destination_name="orders")
    return {"process": os.getpid()}


@app.get("/block")
async def block() -> None:
    time.sleep(0.4)  # noqa: ASYNC251 - what a service should not do


@app.get("/wait")
def wait() -> None:
    time.sleep(1.5)


@app.get("/collect")
async def collect() -> int:
    return gc.collect()


@app.get("/die")
async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


instrument(app, service="shop")
