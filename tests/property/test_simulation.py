"""Seeded worlds in which everything fails; and proof that the oracle sees an engine that is broken."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from shopwatch_engine.exceptions import PagerError, SourceError
from shopwatch_engine.model import Action, Changes, Delivery, Exemplar, Notification, Sample
from shopwatch_engine.ports import IncidentRecord, MetricSource, Pager, Snapshot, Store
from shopwatch_engine.simulation.run import Parts, simulate

SEEDS = range(12)
_NUMBERS = itertools.count()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_promises_hold_in_every_world(seed: int) -> None:
    outcome = simulate(seed)
    assert [str(one) for one in outcome.violations] == []
    assert outcome.opened == outcome.resolved > 20
    assert outcome.crashes >= 3
    assert outcome.faults > 5


def test_a_seed_reproduces_its_world() -> None:
    assert simulate(3, length_s=1200) == simulate(3, length_s=1200)


class ErrorIsEmpty:
    """A source whose failures look like empty answers."""

    def __init__(self, source: MetricSource) -> None:
        self._source = source

    async def query(self, expr: str, at: float) -> tuple[Sample, ...]:
        try:
            return await self._source.query(expr, at)
        except SourceError:
            return ()

    async def exemplars(self, expr: str, start: float, end: float) -> tuple[Exemplar, ...]:
        return await self._source.exemplars(expr, start, end)


class StoreWith:
    """A store with one method broken by a subclass."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def load(self) -> Snapshot:
        return await self.store.load()

    async def commit(self, changes: Changes) -> None:
        await self.store.commit(changes)

    async def claim(
        self,
        *,
        actions: Sequence[Action],
        now: float,
        lease_s: float,
        limit: int,
        without: Collection[str] = (),
    ) -> tuple[Delivery, ...]:
        return await self.store.claim(actions=actions, now=now, lease_s=lease_s, limit=limit, without=without)

    async def settle(self, delivery: Delivery) -> None:
        await self.store.settle(delivery)

    async def next_attempt_at(
        self, *, actions: Sequence[Action], without: Collection[str] = ()
    ) -> float | None:
        return await self.store.next_attempt_at(actions=actions, without=without)

    async def incidents(self, *, limit: int = 100) -> tuple[IncidentRecord, ...]:
        return await self.store.incidents(limit=limit)

    async def prune(self, *, before: float) -> int:
        return await self.store.prune(before=before)

    async def close(self) -> None:
        await self.store.close()


class ForgetsResolves(StoreWith):
    async def commit(self, changes: Changes) -> None:
        kept = tuple(one for one in changes.deliveries if one.action is not Action.RESOLVE)
        await self.store.commit(replace(changes, deliveries=kept))


class ForgetsState(StoreWith):
    async def load(self) -> Snapshot:
        return Snapshot()


class PagerWith:
    """A pager with one habit broken by a subclass."""

    def __init__(self, pager: Pager) -> None:
        self.pager = pager

    async def send(self, action: Action, notification: Notification) -> None:
        await self.pager.send(action, notification)

    async def close(self) -> None:
        await self.pager.close()


class TakesFailureForDelivery(PagerWith):
    async def send(self, action: Action, notification: Notification) -> None:
        try:
            await self.pager.send(action, notification)
        except PagerError:
            return


class NewKeyEachTime(PagerWith):
    async def send(self, action: Action, notification: Notification) -> None:
        key = f"{notification.dedup_key}-{next(_NUMBERS)}"
        await self.pager.send(action, replace(notification, dedup_key=key))


BUGS = {
    "an error resolves": (Parts(source=ErrorIsEmpty), "no false resolve"),
    "an empty answer after an outage resolves": (Parts(lookback_s=0.0), "no false resolve"),
    "resolves are not owed": (Parts(store=ForgetsResolves), "no lost resolve"),
    "a restart forgets everything": (Parts(store=ForgetsState), "no lost"),
    "a failure is taken for a delivery": (Parts(pager=TakesFailureForDelivery), "no lost"),
    "a key is made anew each time": (Parts(pager=NewKeyEachTime), "no double"),
}


@pytest.mark.parametrize(("parts", "promise"), BUGS.values(), ids=BUGS)
def test_the_oracle_finds_a_planted_bug(parts: Parts, promise: str) -> None:
    broken = (one for seed in SEEDS for one in simulate(seed, parts=parts).violations)
    assert any(one.promise.startswith(promise) for one in broken)
