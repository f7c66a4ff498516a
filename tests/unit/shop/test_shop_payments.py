from __future__ import annotations

import random
import threading
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from shop.payments import SLOW_S, Payments
from shop.peers import Peer
from shop.provider import DECLINED_CARD, NAME, Provider
from shopwatch import catalogue
from shopwatch.testing import watch

PAYMENT = {"order_id": "7", "amount_cents": 100, "card": "card-good"}


class Refusing(httpx.AsyncBaseTransport):
    """A network on which nothing can be reached."""

    def __init__(self, error: httpx.TransportError) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._error.request = request
        raise self._error


@dataclass(frozen=True, kw_only=True)
class Paid:
    status: int
    counted: dict[str, float]
    complaints: list[str]


async def pay(transport: httpx.AsyncBaseTransport, *, card: str = "card-good", took_s: float = 0.05) -> Paid:
    """What becomes of one payment with this provider."""
    times = iter([100.0, 100.0 + took_s])
    peer = Peer(NAME, "http://provider", timeout_s=1, transport=transport)
    app = FastAPI()
    app.add_api_route("/payments", Payments(peer, clock=lambda: next(times)).pay, methods=["POST"])
    with watch(app, service="payments") as watched:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(watched.app), base_url="http://payments")
        answer = await client.post("/payments", json={**PAYMENT, "card": card})
        outcomes = {
            name: watched.value(catalogue.PAYMENTS, shopwatch_payment_provider=NAME, shopwatch_outcome=name)
            for name in ("approved", "declined", "error")
        }
        complaints = [
            str(found.log_record.body)
            for found in watched.logs()
            if found.log_record.severity_text != "INFO" and found.log_record.trace_id
        ]
    counted = {name: count for name, count in outcomes.items() if count}
    return Paid(status=answer.status_code, counted=counted, complaints=complaints)


async def at_once(_seconds: float) -> None:
    """Do not wait."""


def stand_in() -> httpx.ASGITransport:
    return httpx.ASGITransport(Provider(threading.Event(), rng=random.Random(1), sleep=at_once).app())


def answering(status: int, text: str) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, text=text))


@pytest.mark.parametrize(
    ("card", "outcome"), [("card-good", "approved"), (DECLINED_CARD, "declined")], ids=["good", "declined"]
)
async def test_a_card_is_charged_or_declined(card: str, outcome: str) -> None:
    paid = await pay(stand_in(), card=card)
    assert paid == Paid(status=200, counted={outcome: 1}, complaints=[])


async def test_a_slow_charge_is_a_warning_with_its_duration() -> None:
    paid = await pay(stand_in(), took_s=SLOW_S + 0.4)
    assert paid.counted == {"approved": 1}
    assert paid.complaints == ["the payment provider took 1.40 s for a charge"]


@pytest.mark.parametrize(
    ("transport", "status", "complaint"),
    [
        pytest.param(answering(503, ""), 502, f"{NAME} answered 503 to POST /charges", id="fails"),
        pytest.param(answering(429, "{}"), 502, "the payment provider answered '429'", id="limits"),
        pytest.param(answering(200, '{"status": "maybe"}'), 502, "answered 'maybe'", id="says nonsense"),
        pytest.param(answering(200, "<html>"), 502, "POST /payments 502", id="says no JSON"),
        pytest.param(Refusing(httpx.ConnectError("refused")), 502, "cannot be reached", id="is not there"),
        pytest.param(Refusing(httpx.ReadTimeout("late")), 504, "did not answer within 1 s", id="hangs"),
    ],
)
async def test_a_provider_that_fails_is_a_failed_payment(
    transport: httpx.AsyncBaseTransport, status: int, complaint: str
) -> None:
    paid = await pay(transport)
    assert (paid.status, paid.counted) == (status, {"error": 1})
    assert any(complaint in line for line in paid.complaints)


@pytest.mark.parametrize(
    ("slow", "least_s", "most_s"), [(False, 0.02, 0.06), (True, 1.3, 1.7)], ids=["well", "slow"]
)
async def test_the_stand_in_takes_its_time(*, slow: bool, least_s: float, most_s: float) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    event = threading.Event()
    if slow:
        event.set()
    transport = httpx.ASGITransport(Provider(event, rng=random.Random(2), sleep=sleep).app())
    for _ in range(20):
        await pay(transport)
    assert least_s <= min(waited) < max(waited) <= most_s
