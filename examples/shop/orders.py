"""orders: places orders, has them paid, and announces them to the worker that confirms them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Path
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from shop import faults
from shop.database import answer_database_errors, can_answer, fail_while, open_database
from shop.order_store import TABLES, Order, OrderStore, Status
from shop.peers import Peer, body_of
from shop.queue import Queue, open_queue
from shop.service import Service
from shop.settings import Settings
from shop.switches import Switchboard
from shop.tokens import customer_of
from shop.worker import Worker, announce
from shopwatch import catalogue, record
from shopwatch.health import Check

PATIENCE_S: Final = 4.0
"""The longest that catalogue or payments may take; longer than payments gives its provider."""

_bearer: Final = HTTPBearer(auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
OrderId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


class Basket(BaseModel):
    """What a customer orders."""

    product: str = Field(pattern="^[a-z]{1,32}$")
    quantity: int = Field(default=1, ge=1, le=10)


class Card(BaseModel):
    """What a customer pays with."""

    card: str = Field(min_length=1, max_length=64)


class Orders:
    """The endpoints.

    Args:
        store: the orders.
        queue: where they are announced.
        products: the catalogue, which knows the prices.
        payments: charges cards.
        secret: verifies tokens.
    """

    def __init__(
        self, *, store: OrderStore, queue: Queue, products: Peer, payments: Peer, secret: str
    ) -> None:
        self._store = store
        self._queue = queue
        self._products = products
        self._payments = payments
        self._secret = secret

    async def place(self, basket: Basket, credentials: Credentials) -> dict[str, Any]:
        """Place an order, at the catalogue's price."""
        customer = customer_of(credentials, self._secret)
        return await _counting_failures(lambda: self._place(customer, basket))

    async def _place(self, customer: str, basket: Basket) -> dict[str, Any]:
        answer = await self._products.ask("GET", f"/products/{basket.product}")
        if answer.status_code != 200:
            raise HTTPException(422, "no such product")
        order = await run_in_threadpool(
            self._store.place,
            customer=customer,
            product=basket.product,
            quantity=basket.quantity,
            price_cents=int(body_of(answer)["price_cents"]),
        )
        announce(self._queue, order)
        record(catalogue.ORDERS, outcome="placed")
        return _shown(order)

    async def pay(self, order_id: OrderId, card: Card, credentials: Credentials) -> dict[str, Any]:
        """Pay an order, once."""
        order = await self._own(order_id, credentials)
        return await _counting_failures(lambda: self._pay(order, card))

    async def _pay(self, order: Order, card: Card) -> dict[str, Any]:
        if not await run_in_threadpool(self._store.claim, order.id):
            raise HTTPException(409, "the order is paid, or being paid")
        status = Status.PLACED  # what it falls back to when the payment fails
        try:
            status = await self._charged(order, card)
        finally:
            await run_in_threadpool(self._store.settle, order.id, status)
        if status is Status.DECLINED:
            record(catalogue.ORDERS, outcome="declined")
            raise HTTPException(402, "the card was declined")
        return {"order_id": order.id, "status": status.value}

    async def _charged(self, order: Order, card: Card) -> Status:
        wanted = {"order_id": order.id, "amount_cents": order.amount_cents, "card": card.card}
        answer = await self._payments.ask("POST", "/payments", json=wanted)
        if answer.status_code != 200:
            raise HTTPException(502, "payments refused the payment")
        return Status.PAID if body_of(answer)["status"] == "approved" else Status.DECLINED

    async def show(self, order_id: OrderId, credentials: Credentials) -> dict[str, Any]:
        """One of the customer's own orders."""
        return _shown(await self._own(order_id, credentials))

    async def _own(self, order_id: str, credentials: HTTPAuthorizationCredentials | None) -> Order:
        customer = customer_of(credentials, self._secret)
        order = await run_in_threadpool(self._store.find, order_id, customer=customer)
        if order is None:
            raise HTTPException(404, "no such order")
        return order


async def _counting_failures(act: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """What it returns; an order that our side fails is counted."""
    try:
        return await act()
    except SQLAlchemyError:
        record(catalogue.ORDERS, outcome="failed")
        raise
    except HTTPException as error:
        if error.status_code >= 500:
            record(catalogue.ORDERS, outcome="failed")
        raise


def _shown(order: Order) -> dict[str, Any]:
    return {"order_id": order.id, "amount_cents": order.amount_cents, "status": order.status.value}


def build(settings: Settings) -> Service:
    """The service, its worker included.

    Raises:
        SettingsError: a setting cannot be used.
    """
    switches = Switchboard(faults.DATABASE_ERRORS, faults.STUCK_WORKER)
    engine = open_database(settings.database_url, TABLES)
    fail_while(engine, switches.event(faults.DATABASE_ERRORS))
    queue = open_queue(settings.queue_url)
    worker = Worker(queue, stuck=switches.event(faults.STUCK_WORKER))
    products = Peer("catalogue", settings.catalogue_url, timeout_s=PATIENCE_S)
    payments = Peer("payments", settings.payments_url, timeout_s=PATIENCE_S)
    orders = Orders(
        store=OrderStore(engine), queue=queue, products=products, payments=payments, secret=settings.secret()
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with worker.running():
            yield
        await products.close()
        await payments.close()

    app = FastAPI(title="orders", lifespan=lifespan)
    app.add_api_route("/orders", orders.place, methods=["POST"], status_code=201)
    app.add_api_route("/orders/{order_id}", orders.show, methods=["GET"])
    app.add_api_route("/orders/{order_id}/payment", orders.pay, methods=["POST"])
    answer_database_errors(app)
    if settings.faults:
        app.include_router(switches.router())
    readiness: dict[str, Check] = {"database": lambda: can_answer(engine), "worker": lambda: worker.alive}
    return Service(app=app, readiness=readiness)
