"""payments: has cards charged by the payment provider."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from shop import faults, provider
from shop.peers import Peer, body_of
from shop.provider import Provider
from shop.service import Service
from shop.settings import Settings
from shop.switches import Switchboard
from shopwatch import catalogue, record

PATIENCE_S: Final = 3.0
"""The longest that a charge may take."""

SLOW_S: Final = 1.0
"""From here on a charge is slow enough to lose customers, and is logged."""

_LOG: Final = logging.getLogger(__name__)
_OUTCOMES: Final = ("approved", "declined")


class Payment(BaseModel):
    """What orders asks for."""

    order_id: str = Field(max_length=64)
    amount_cents: int = Field(gt=0)
    card: str = Field(min_length=1, max_length=64)


class Payments:
    """The endpoint.

    Args:
        charges: the provider.
        clock: seconds that only go up.
    """

    def __init__(self, charges: Peer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._charges = charges
        self._clock = clock

    async def pay(self, payment: Payment) -> dict[str, str]:
        """Charge the card; the answer says ``approved`` or ``declined``."""
        try:
            outcome = await self._charged(payment)
        except HTTPException:
            record(catalogue.PAYMENTS, provider=provider.NAME, outcome="error")
            raise
        record(catalogue.PAYMENTS, provider=provider.NAME, outcome=outcome)
        return {"status": outcome}

    async def _charged(self, payment: Payment) -> str:
        started = self._clock()
        answer = await self._charges.ask(
            "POST",
            "/charges",
            json={"reference": payment.order_id, "amount_cents": payment.amount_cents, "card": payment.card},
            headers={"Idempotency-Key": payment.order_id},
        )
        took_s = self._clock() - started
        if took_s > SLOW_S:
            _LOG.warning("the payment provider took %.2f s for a charge", took_s)
        outcome = str(body_of(answer).get("status")) if answer.is_success else str(answer.status_code)
        if outcome not in _OUTCOMES:
            _LOG.error("the payment provider answered %r; expected approved or declined", outcome)
            raise HTTPException(502, "the payment provider failed")
        return outcome


def build(settings: Settings) -> Service:
    """The service; without an address of a provider, its stand-in runs within.

    Raises:
        SettingsError: a setting cannot be used.
    """
    switches = Switchboard(faults.SLOW_PAYMENT_PROVIDER)
    # the seed only spreads the stand-in's answers in time
    stand_in = Provider(switches.event(faults.SLOW_PAYMENT_PROVIDER), rng=random.Random(1))  # noqa: S311
    charges = Peer(
        provider.NAME,
        settings.provider_url or f"http://{provider.NAME}",
        timeout_s=PATIENCE_S,
        transport=None if settings.provider_url else httpx.ASGITransport(stand_in.app()),
    )
    payments = Payments(charges)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await charges.close()

    app = FastAPI(title="payments", lifespan=lifespan)
    app.add_api_route("/payments", payments.pay, methods=["POST"])
    if settings.faults:
        app.include_router(switches.router())
    return Service(app=app)
