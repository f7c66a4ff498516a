"""A checkout over four processes: gateway -> orders -> RabbitMQ -> worker -> payments.

``checkout:gateway`` and ``checkout:orders`` are FastAPI, ``checkout:payments`` Flask; the worker is
``python -m checkout``. Where the others are stands in the environment.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import httpx
import pika
import redis.asyncio
import requests
from fastapi import FastAPI
from flask import Flask
from sqlalchemy import create_engine, text

from shopwatch import catalogue, instrument, record
from shopwatch.bootstrap import start

QUEUE = "orders.placed"
PEERS = {
    os.environ.get(f"{name.upper()}_URL", "").removeprefix("http://"): name for name in ("orders", "payments")
}
_log = logging.getLogger("checkout")


def gateway() -> Any:
    app = FastAPI()

    @app.post("/checkout/{cart}")
    async def checkout(cart: int) -> dict[str, int]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{os.environ['ORDERS_URL']}/orders/{cart}")
        _log.info("cart %d is checked out", cart)
        return {"order": answer.raise_for_status().json()["order"]}

    return instrument(app, service="gateway", peers=PEERS)


def orders() -> Any:
    engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql", "postgresql+psycopg"))
    cache = redis.asyncio.Redis(port=int(os.environ["REDIS_PORT"]))

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        connection = await aio_pika.connect_robust(os.environ["RABBITMQ_URL"])
        app.state.exchange = (await connection.channel()).default_exchange
        yield
        await connection.close()
        await cache.aclose()
        engine.dispose()

    app = FastAPI(lifespan=connected)

    @app.post("/orders/{cart}")
    async def place(cart: int) -> dict[str, int]:
        await cache.get(f"stock-{cart}")
        with engine.begin() as connection:
            order = connection.execute(text("SELECT 41 + :one"), {"one": 1}).scalar_one()
        message = aio_pika.Message(json.dumps({"order": order}).encode())
        await app.state.exchange.publish(message, QUEUE)
        record(catalogue.ORDERS, outcome="placed")
        _log.info("order %d is placed", order)
        return {"order": order}

    return instrument(app, service="orders", peers=PEERS)


def payments() -> Any:
    app = Flask("payments")

    @app.post("/charges/<int:order>")
    def charge(order: int) -> dict[str, str]:
        _log.warning("the provider is slow to charge order %d", order)
        record(catalogue.PAYMENTS, provider="stripe", outcome="approved")
        return {"charge": "ok"}

    return instrument(app, service="payments", peers=PEERS)


def work() -> None:
    start(service="worker", peers=PEERS)
    session = requests.Session()
    session.trust_env = False

    def handle(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        order = json.loads(body)["order"]
        session.post(f"{os.environ['PAYMENTS_URL']}/charges/{order}", timeout=10).raise_for_status()
        _log.info("order %d is paid", order)
        channel.basic_ack(method.delivery_tag)

    channel = pika.BlockingConnection(pika.URLParameters(os.environ["RABBITMQ_URL"])).channel()
    channel.queue_declare(QUEUE)
    channel.basic_consume(QUEUE, handle)
    channel.start_consuming()


if __name__ == "__main__":
    work()
