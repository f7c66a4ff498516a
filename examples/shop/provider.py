"""A stand-in for the payment provider's API, for a shop that has no contract with a real one."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import FastAPI
from pydantic import BaseModel, Field

NAME: Final = "payment-provider"
"""``service.peer.name`` and ``shopwatch.payment.provider`` of whatever provider is used."""

DECLINED_CARD: Final = "card-declined"
"""The one card that it declines, as test cards of real providers do."""

_USUAL_S: Final = (0.02, 0.06)
_SLOW_S: Final = (1.3, 1.7)


class Charge(BaseModel):
    """What it is asked for."""

    reference: str
    amount_cents: int = Field(gt=0)
    card: str


class Provider:
    """Answers charges in 20 to 60 ms, in about one and a half seconds while it is slow.

    Args:
        slow: set while it is.
        rng: draws how long an answer takes.
        sleep: waits, in seconds.
    """

    def __init__(
        self,
        slow: threading.Event,
        *,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._slow = slow
        self._rng = rng
        self._sleep = sleep

    async def charge(self, charge: Charge) -> dict[str, str]:
        """Approve or decline."""
        await self._sleep(self._rng.uniform(*(_SLOW_S if self._slow.is_set() else _USUAL_S)))
        return {"status": "declined" if charge.card == DECLINED_CARD else "approved"}

    def app(self) -> FastAPI:
        """Its API."""
        app = FastAPI(title=NAME, openapi_url=None)
        app.add_api_route("/charges", self.charge, methods=["POST"])
        return app
