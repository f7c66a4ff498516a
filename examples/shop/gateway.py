"""gateway: the one door of the shop; passes each request on to the service that answers it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

import httpx
from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from shop.peers import Peer
from shop.service import Service
from shop.settings import Settings
from shop.switches import Switchboard

PATIENCE_S: Final = 5.0
"""The longest that a service may take; longer than orders gives those behind it."""

_ASKED_WITH: Final = ("authorization", "content-type")
_PASSED_ON: Final = ("content-type", "www-authenticate")
ProductName = Annotated[str, Path(pattern="^[a-z]{1,32}$")]
OrderId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


class Gateway:
    """The endpoints.

    Args:
        auth: customers and tokens.
        products: the catalogue.
        canary: its canary, if there is one.
        share: of the catalogue's requests that the canary gets, from 0 to 1.
        orders: orders and payments.
        rng: picks them.
    """

    def __init__(
        self,
        *,
        auth: Peer,
        products: Peer,
        canary: Peer | None,
        share: float,
        orders: Peer,
        rng: random.Random,
    ) -> None:
        self._auth = auth
        self._products = products
        self._canary = canary
        self._share = share
        self._orders = orders
        self._rng = rng

    async def sign_up(self, request: Request) -> Response:
        """Make an account."""
        return await _relay(self._auth, request, "/customers")

    async def log_in(self, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Response:
        """Trade a user name and its password for a token."""
        said = {"grant_type": "password", "username": form.username, "password": form.password}
        return _passed_on(await self._auth.ask("POST", "/token", form=said))

    async def products(self, request: Request) -> Response:
        """All products."""
        return await _relay(self._catalogue(), request, "/products")

    async def product(self, request: Request, name: ProductName) -> Response:
        """One product."""
        return await _relay(self._catalogue(), request, f"/products/{name}")

    async def place(self, request: Request) -> Response:
        """Place an order."""
        return await _relay(self._orders, request, "/orders")

    async def order(self, request: Request, order_id: OrderId) -> Response:
        """One of the customer's own orders."""
        return await _relay(self._orders, request, f"/orders/{order_id}")

    async def pay(self, request: Request, order_id: OrderId) -> Response:
        """Pay an order."""
        return await _relay(self._orders, request, f"/orders/{order_id}/payment")

    def _catalogue(self) -> Peer:
        if self._canary is not None and self._rng.random() < self._share:
            return self._canary
        return self._products

    async def close(self) -> None:
        """Let go of all connections."""
        for peer in filter(None, (self._auth, self._products, self._canary, self._orders)):
            await peer.close()


async def _relay(peer: Peer, request: Request, path: str) -> Response:
    """Pass a request on, with these of its headers; what its body is worth, the service says."""
    headers = {name: value for name in _ASKED_WITH if (value := request.headers.get(name))}
    body = await request.body()
    return _passed_on(await peer.ask(request.method, path, body=body, headers=headers))


def _passed_on(answer: httpx.Response) -> Response:
    headers = {name: value for name in _PASSED_ON if (value := answer.headers.get(name))}
    return Response(answer.content, status_code=answer.status_code, headers=headers)


def build(settings: Settings) -> Service:
    """The service."""
    canary = settings.catalogue_canary_url
    gateway = Gateway(
        auth=Peer("auth", settings.auth_url, timeout_s=PATIENCE_S),
        products=Peer("catalogue", settings.catalogue_url, timeout_s=PATIENCE_S),
        canary=Peer("catalogue", canary, timeout_s=PATIENCE_S) if canary else None,
        share=settings.catalogue_canary_share,
        orders=Peer("orders", settings.orders_url, timeout_s=PATIENCE_S),
        rng=random.Random(1),  # noqa: S311 - picks the canary's requests, no secret
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.close()

    app = FastAPI(title="gateway", lifespan=lifespan)
    app.add_api_route("/customers", gateway.sign_up, methods=["POST"])
    app.add_api_route("/login", gateway.log_in, methods=["POST"])
    app.add_api_route("/products", gateway.products, methods=["GET"])
    app.add_api_route("/products/{name}", gateway.product, methods=["GET"])
    app.add_api_route("/orders", gateway.place, methods=["POST"])
    app.add_api_route("/orders/{order_id}", gateway.order, methods=["GET"])
    app.add_api_route("/orders/{order_id}/payment", gateway.pay, methods=["POST"])
    if settings.faults:
        app.include_router(Switchboard().router())
    return Service(app=app)
