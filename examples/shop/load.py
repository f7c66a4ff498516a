"""Customers for the shop: ``python -m shop.load --gateway http://127.0.0.1:8000 --rate 4 --seconds 60``.

Each logs in, looks around, orders and pays. ``--attack`` tries wrong passwords instead. Bounded in rate,
time and requests in flight; talks to this machine alone; the same seed makes the same customers.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from shop.provider import DECLINED_CARD

MOST_RATE: Final = 100.0
MOST_SECONDS: Final = 7_200.0
CUSTOMERS: Final = 20
_IN_FLIGHT: Final = 100
_TIMEOUT_S: Final = 10.0
_STOPPING_S: Final = 1.0
_MISTYPED: Final = 0.03  # of logins
_DECLINED: Final = 0.03  # of payments
_THINKING_S: Final = (0.01, 0.05)

Value = TypeVar("Value")
Act = Callable[[random.Random], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much load, and where. ``rate``: customers, or wrong passwords, a second."""

    gateway: str
    rate: float
    seconds: float
    seed: int
    attack: bool


class StepFailed(Exception):  # noqa: N818 - reads as what it is
    """A customer's step did not go well; the customer leaves."""


class Shoppers:
    """Customers of one shop, and what became of them.

    Args:
        client: reaches the gateway.
        seed: makes names, passwords and choices.
    """

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        self._client = client
        made = _rng(seed)
        self._accounts = {f"customer-{seed}-{n}": f"{made.getrandbits(96):024x}" for n in range(CUSTOMERS)}
        self.counts: Counter[str] = Counter()

    async def sign_up(self) -> None:
        """Make the accounts; those of an earlier run with this seed are there already."""
        for username, password in self._accounts.items():
            said = {"username": username, "password": password}
            await self._step("sign-up", "POST", "/customers", json=said, expected=(201, 409))

    async def buy(self, rng: random.Random) -> None:
        """One customer, from the login to the payment."""
        self.counts["customers"] += 1
        token = await self._log_in(rng)
        products = await self._step("browse", "GET", "/products")
        name = rng.choice(products)["name"]
        await self._step("product page", "GET", f"/products/{name}")
        await asyncio.sleep(rng.uniform(*_THINKING_S))
        headers = {"authorization": f"Bearer {token}"}
        basket = {"product": name, "quantity": rng.randint(1, 3)}
        order = await self._step("order", "POST", "/orders", json=basket, headers=headers, expected=(201,))
        card = DECLINED_CARD if rng.random() < _DECLINED else "card-good"
        path = f"/orders/{order['order_id']}/payment"
        await self._step("payment", "POST", path, json={"card": card}, headers=headers, expected=(200, 402))

    async def attack(self, rng: random.Random) -> None:
        """One wrong password for a customer whose name somebody knows."""
        said = {"username": rng.choice(list(self._accounts)), "password": f"{rng.getrandbits(64):x}"}
        await self._step("wrong password", "POST", "/login", form=said, expected=(401,))

    async def _log_in(self, rng: random.Random) -> str:
        username, password = rng.choice(list(self._accounts.items()))
        if rng.random() < _MISTYPED:
            wrong = {"username": username, "password": password[:-1]}
            await self._step("mistyped login", "POST", "/login", form=wrong, expected=(401,))
        said = {"username": username, "password": password}
        return str((await self._step("login", "POST", "/login", form=said))["access_token"])

    async def _step(
        self,
        step: str,
        method: str,
        path: str,
        *,
        expected: tuple[int, ...] = (200,),
        json: object = None,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - the gateway's JSON
        try:
            answer = await self._client.request(method, path, json=json, data=form, headers=headers)
        except httpx.TransportError as error:
            self.counts[f"{step}: {type(error).__name__}"] += 1
            raise StepFailed(step) from error
        self.counts[f"{step}: {answer.status_code}"] += 1
        if answer.status_code not in expected:
            raise StepFailed(f"{step}: {answer.status_code}")
        return answer.json()


async def run(plan: Plan, stop: asyncio.Event) -> Counter[str]:
    """Put the load on until its time is over or ``stop`` is set; what became of it.

    Raises:
        StepFailed: the customers cannot sign up: there is no shop there.
    """
    async with httpx.AsyncClient(
        base_url=plan.gateway,
        timeout=_TIMEOUT_S,
        trust_env=False,
        limits=httpx.Limits(max_connections=_IN_FLIGHT),
    ) as client:
        shoppers = Shoppers(client, plan.seed)
        if not plan.attack:
            await shoppers.sign_up()
        await _at_rate(plan, shoppers.attack if plan.attack else shoppers.buy, shoppers.counts, stop)
        return shoppers.counts


async def _at_rate(plan: Plan, act: Act, counts: Counter[str], stop: asyncio.Event) -> None:
    """Start one act after another, whatever becomes of those before; what is too much is left out."""
    rng = _rng(plan.seed + 1)
    running: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + plan.seconds
    next_at = loop.time()
    while next_at < ends_at and not stop.is_set():
        if len(running) < _IN_FLIGHT:
            task = asyncio.create_task(_unless_it_fails(act, _rng(rng.getrandbits(64))))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            counts["left out: too many in flight"] += 1
        next_at += rng.uniform(0.5, 1.5) / plan.rate
        await _stopped_within(stop, next_at - loop.time())
    await _end(running, _STOPPING_S if stop.is_set() else _TIMEOUT_S)


async def _end(running: set[asyncio.Task[None]], within_s: float) -> None:
    """Let those that run come to their end, and cancel what takes too long."""
    if not running:
        return
    _, late = await asyncio.wait(set(running), timeout=within_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


async def _unless_it_fails(act: Act, rng: random.Random) -> None:
    try:
        await act(rng)
    except StepFailed:
        return  # counted where it failed; the customer has left


async def _stopped_within(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
    except TimeoutError:
        return


def loopback(url: str) -> str:
    """The address, if it is one of this machine.

    Raises:
        ValueError: it is another's: load is for one's own shop.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and (host == "localhost" or _is_loopback(host)):
        return url
    raise ValueError(f"{url!r}: expected a gateway on this machine, such as http://127.0.0.1:8000")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _rng(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a seed must reproduce a run


def _plan(arguments: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="python -m shop.load", description="Customers for the demo shop.")
    parser.add_argument(
        "--gateway", required=True, type=_argument(loopback), help="its address, on this machine"
    )
    parser.add_argument("--rate", type=_argument(_within(MOST_RATE)), default=4.0, help="customers a second")
    parser.add_argument("--seconds", type=_argument(_within(MOST_SECONDS)), default=60.0, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="makes names, passwords and choices")
    parser.add_argument("--attack", action="store_true", help="try wrong passwords instead of buying")
    asked = parser.parse_args(arguments)
    return Plan(
        gateway=asked.gateway, rate=asked.rate, seconds=asked.seconds, seed=asked.seed, attack=asked.attack
    )


def _within(most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not 0 < value <= most:
            raise ValueError(f"{text}: expected more than 0 and at most {most:g}")
        return value

    return number


def _argument(read: Callable[[str], Value]) -> Callable[[str], Value]:
    """Let argparse show what was wrong with a value."""

    def argument(text: str) -> Value:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return argument


async def _until_signalled(plan: Plan) -> Counter[str]:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await run(plan, stop)


def main(arguments: Sequence[str]) -> int:
    """Put the load on; its counts go to stdout as one line of JSON."""
    plan = _plan(arguments)
    try:
        counts = asyncio.run(_until_signalled(plan))
    except StepFailed as error:
        sys.stderr.write(f"load: no shop at {plan.gateway}: {error}\n")
        return 1
    sys.stdout.write(json.dumps(dict(sorted(counts.items()))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
