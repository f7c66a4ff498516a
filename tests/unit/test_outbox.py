"""What is owed is delivered: in order, side by side, again when it fails; in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from alert_values import OPSGENIE, PAGERDUTY, delivery, incident
from shopwatch import catalogue
from shopwatch_engine.core.retry import RetryPolicy
from shopwatch_engine.exceptions import StoreBusy
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import (
    Action,
    Changes,
    Delivery,
    DeliveryState,
    Evidence,
    Notification,
    Severity,
)
from shopwatch_engine.outbox import EVIDENCE, PAGES, Lane, Outbox
from shopwatch_engine.patience import Patience
from shopwatch_engine.simulation.loop import run_virtually
from shopwatch_engine.simulation.world import EPOCH, SimulatedClock
from shopwatch_engine.steps import Step
from shopwatch_engine.testing.notifications import sample_evidence
from shopwatch_engine.testing.pagers import FakePager
from shopwatch_engine.testing.store import MemoryStore

TRIGGER, UPDATE, RESOLVE = Action.TRIGGER, Action.UPDATE, Action.RESOLVE


class Desk:
    """An outbox with two fake pagers, a store in memory and a loop whose time is virtual."""

    def __init__(self, *, uniform: float = 0.5, policy: RetryPolicy | None = None) -> None:
        self.store = MemoryStore()
        self.pagers = {PAGERDUTY: FakePager(), OPSGENIE: FakePager()}
        self.registry = CollectorRegistry()
        self.steps: list[tuple[Step, Action]] = []
        self.gathering_s = 0.0
        self.gather_fails: Exception | None = None
        metrics = EngineMetrics(self.registry)
        self.outbox = Outbox(
            store=self.store,
            pagers=self.pagers,
            gather=self._gather,
            clock=SimulatedClock(),
            uniform=lambda: uniform,
            metrics=metrics,
            patience=Patience(metrics),
            policy=policy or RetryPolicy(),
            checkpoint=lambda step, action: self.steps.append((step, action)),
        )

    async def _gather(self, notification: Notification) -> Evidence:
        await asyncio.sleep(self.gathering_s)
        if self.gather_fails:
            raise self.gather_fails
        return replace(sample_evidence(), gathered_at=notification.at)

    @property
    def pagerduty(self) -> FakePager:
        return self.pagers[PAGERDUTY]

    async def owe(self, *deliveries: Delivery) -> None:
        due = [replace(one, created_at=now(), next_attempt_at=now()) for one in deliveries]
        keys = {(one.dedup_key, one.episode) for one in due}
        incidents = tuple(incident(dedup_key=key, episode=episode) for key, episode in sorted(keys))
        await self.store.commit(Changes(incidents=incidents, deliveries=tuple(due)))
        self.outbox.wake()

    async def deliveries(self) -> dict[str, Delivery]:
        return {one.id: one for record in await self.store.incidents() for one in record.deliveries}


def now() -> float:
    return EPOCH + asyncio.get_running_loop().time()


def told(pager: FakePager) -> list[str]:
    """``trigger key-1``: what the pager took, in order."""
    return [f"{page.action.value} {page.notification.dedup_key}" for page in pager.pages]


def at_work(desk: Desk, story: Callable[[Desk], Awaitable[None]], *lanes: Lane, seed: int = 1) -> None:
    """Run a story while the outbox works."""

    async def main() -> None:
        working = [asyncio.create_task(desk.outbox.run(lane)) for lane in lanes or (PAGES, EVIDENCE)]
        try:
            await asyncio.sleep(0.001)
            await story(desk)
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    run_virtually(main(), seed=seed)


async def passes(seconds: float) -> None:
    await asyncio.sleep(seconds)


# ---------------------------------------------------------------- delivered
def test_what_is_owed_is_delivered_once_and_settled() -> None:
    async def story(desk: Desk) -> None:
        await passes(5)
        await desk.owe(delivery())
        await passes(1000)
        assert told(desk.pagerduty) == ["trigger key-1"]
        assert desk.pagerduty.attempts == 1
        (settled,) = (await desk.deliveries()).values()
        assert (settled.state, settled.attempts, settled.error) == (DeliveryState.DELIVERED, 1, "")
        assert settled.settled_at == pytest.approx(EPOCH + 5, abs=0.1)

    desk = Desk()
    at_work(desk, story)
    assert desk.steps == [(step, TRIGGER) for step in (Step.BEFORE_SEND, Step.AFTER_SEND, Step.AFTER_SETTLE)]
    values = {catalogue.INTEGRATION: PAGERDUTY, catalogue.ACTION: "trigger", catalogue.RESULT: "delivered"}
    counted = {name.replace(".", "_"): value for name, value in values.items()}
    assert desk.registry.get_sample_value(catalogue.ENGINE_DELIVERIES.prometheus_name, counted) == 1


def test_what_was_owed_before_the_start_is_delivered() -> None:
    async def story(desk: Desk) -> None:
        assert told(desk.pagerduty) == ["trigger key-1"]

    desk = Desk()
    asyncio.run(desk.store.commit(Changes(deliveries=(delivery(next_attempt_at=EPOCH),))))
    at_work(desk, story)


@pytest.mark.parametrize("seed", range(8))
def test_a_one_wide_lane_sends_the_most_severe_first(seed: int) -> None:
    async def story(desk: Desk) -> None:
        desk.pagerduty.hang()
        await desk.owe(delivery(key="first", severity=Severity.INFO))
        await passes(1)
        words = ["warning", "critical", "info", "error", "critical"]
        await desk.owe(
            *(delivery(key=f"{n}-{word}", severity=Severity(word)) for n, word in enumerate(words))
        )
        desk.pagerduty.release()
        await passes(1)
        assert told(desk.pagerduty) == [
            "trigger first",
            "trigger 1-critical",
            "trigger 4-critical",
            "trigger 3-error",
            "trigger 0-warning",
            "trigger 2-info",
        ]

    at_work(Desk(), story, replace(PAGES, width=1), seed=seed)


@pytest.mark.parametrize("width", [1, 2, 3, 16])
@pytest.mark.parametrize("seed", range(4))
def test_a_lane_that_was_full_goes_on(width: int, seed: int) -> None:
    """With nothing else to wake it: no new debts, no retries."""

    async def story(desk: Desk) -> None:
        await desk.owe(*(delivery(key=f"key-{n}") for n in range(50)))
        await passes(1)
        assert len(desk.pagerduty.pages) == 50

    at_work(Desk(), story, replace(PAGES, width=width), seed=seed)


# ---------------------------------------------------------------- order within an incident
@pytest.mark.parametrize("seed", range(8))
def test_an_incident_is_told_in_order(seed: int) -> None:
    async def story(desk: Desk) -> None:
        desk.gathering_s = 3.0
        await desk.owe(delivery(), delivery(Action.EVIDENCE, number=2), delivery(UPDATE, number=3))
        await passes(10)
        await desk.owe(delivery(RESOLVE, number=4))
        await passes(10)
        assert told(desk.pagerduty) == [
            f"{what} key-1" for what in ("trigger", "evidence", "update", "resolve")
        ]
        (there,) = desk.pagerduty.incidents
        assert (there.resolved, there.has_evidence) == (True, True)

    at_work(Desk(), story, seed=seed)


def test_the_order_holds_while_the_pager_fails() -> None:
    async def story(desk: Desk) -> None:
        desk.pagerduty.answer(503)
        await desk.owe(delivery(), delivery(UPDATE, number=2))
        await passes(60)
        await desk.owe(delivery(RESOLVE, number=3))
        await passes(60)
        assert told(desk.pagerduty) == []
        desk.pagerduty.answer(202)
        await passes(60)
        assert told(desk.pagerduty) == ["trigger key-1", "resolve key-1"]
        states = [one.state for one in (await desk.deliveries()).values()]
        assert states == [DeliveryState.DELIVERED, DeliveryState.SUPERSEDED, DeliveryState.DELIVERED]

    at_work(Desk(), story)


def test_evidence_that_waits_is_overtaken_by_the_resolve() -> None:
    async def story(desk: Desk) -> None:
        await desk.owe(delivery())
        await passes(1)
        desk.pagerduty.answer(503)
        await desk.owe(delivery(Action.EVIDENCE, number=2))
        await passes(1)
        await desk.owe(delivery(RESOLVE, number=3))
        desk.pagerduty.answer(202)
        await passes(30)
        assert told(desk.pagerduty) == ["trigger key-1", "resolve key-1"]

    at_work(Desk(), story)


def test_evidence_under_way_is_awaited_by_the_resolve() -> None:
    """Told after the resolve it would open the incident again."""

    async def story(desk: Desk) -> None:
        desk.gathering_s = 20.0
        await desk.owe(delivery(), delivery(Action.EVIDENCE, number=2))
        await passes(5)
        await desk.owe(delivery(RESOLVE, number=3))
        await passes(30)
        assert told(desk.pagerduty) == ["trigger key-1", "evidence key-1", "resolve key-1"]

    at_work(Desk(), story)


def test_gathering_evidence_holds_up_no_page_of_another_incident() -> None:
    async def story(desk: Desk) -> None:
        desk.gathering_s = 50.0
        await desk.owe(*(delivery(Action.EVIDENCE, key=f"old-{n}") for n in range(30)))
        await passes(1)
        await desk.owe(delivery(key="new"))
        await passes(0.1)
        assert told(desk.pagerduty) == ["trigger new"]

    at_work(Desk(), story)


def test_evidence_is_gathered_when_its_turn_comes_and_sent_along() -> None:
    async def story(desk: Desk) -> None:
        desk.gathering_s = 2.0
        await desk.owe(delivery(Action.EVIDENCE))
        await passes(5)
        (page,) = desk.pagerduty.pages
        assert page.notification.evidence is not None
        assert page.notification.evidence.traces

    at_work(Desk(), story)


# ---------------------------------------------------------------- a pager that hangs
@pytest.mark.parametrize("seed", range(4))
def test_a_hanging_pager_does_not_hold_anothers_pages(seed: int) -> None:
    async def story(desk: Desk) -> None:
        desk.pagers[OPSGENIE].hang()
        for number in range(200):
            key = f"key-{number}"
            await desk.owe(delivery(key=key, integration=OPSGENIE), delivery(key=key))
        await passes(1)
        assert len(desk.pagerduty.pages) == 200
        desk.pagers[OPSGENIE].release()
        await passes(60)
        assert len(desk.pagers[OPSGENIE].pages) == 200

    at_work(Desk(), story, seed=seed)


def test_no_pager_has_more_under_way_than_the_lane_is_wide() -> None:
    async def story(desk: Desk) -> None:
        for pager in desk.pagers.values():
            pager.hang()
        for number in range(10):
            await desk.owe(delivery(key=f"a-{number}"))
            await desk.owe(delivery(key=f"b-{number}", integration=OPSGENIE))
            await desk.owe(delivery(key=f"c-{number}"))
        await passes(1)
        assert [pager.attempts for pager in desk.pagers.values()] == [3, 3]

    at_work(Desk(), story, replace(PAGES, width=3))


def test_a_send_that_outlives_its_claim_is_not_sent_twice() -> None:
    async def story(desk: Desk) -> None:
        desk.pagers[PAGERDUTY] = FakePager(timeout_s=1e6)
        desk.pagerduty.hang()
        await desk.owe(delivery())
        await passes(1000)
        assert desk.pagerduty.attempts == 1
        desk.pagerduty.release()
        await passes(1)
        assert told(desk.pagerduty) == ["trigger key-1"]

    at_work(Desk(), story)


# ---------------------------------------------------------------- refused
def test_a_refusal_for_good_is_kept_as_dead_and_said(caplog: pytest.LogCaptureFixture) -> None:
    async def story(desk: Desk) -> None:
        desk.pagerduty.answer(400)
        await desk.owe(delivery(), delivery(RESOLVE, number=2))
        desk.pagerduty.answer(400)
        await passes(1000)
        dead = await desk.deliveries()
        assert [one.state for one in dead.values()] == [DeliveryState.DEAD] * 2
        assert {one.error for one in dead.values()} == {"the pager answered 400"}
        assert desk.pagerduty.attempts == 2

    with caplog.at_level(logging.ERROR, logger="shopwatch_engine"):
        at_work(Desk(), story)
    assert f"{PAGERDUTY} will not take {delivery().id}: the pager answered 400" in caplog.text


def test_an_unknown_integration_is_dead_with_a_remedy() -> None:
    async def story(desk: Desk) -> None:
        await desk.owe(delivery(integration="gone/pagerduty/0"), delivery())
        await passes(10)
        rows = await desk.deliveries()
        dead = rows[delivery(integration="gone/pagerduty/0").id]
        assert dead.state is DeliveryState.DEAD
        assert dead.error == "the routing file has no 'gone/pagerduty/0' any more; put the receiver back"
        assert told(desk.pagerduty) == ["trigger key-1"]

    at_work(Desk(), story)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_refusal_is_tried_again_until_it_is_taken(status: int) -> None:
    async def story(desk: Desk) -> None:
        desk.pagerduty.answer(status)
        await desk.owe(delivery())
        await passes(100)
        (waiting,) = (await desk.deliveries()).values()
        assert (waiting.state, waiting.error) == (DeliveryState.PENDING, f"the pager answered {status}")
        assert waiting.attempts == desk.pagerduty.attempts > 5
        desk.pagerduty.answer(202)
        await passes(8)
        assert told(desk.pagerduty) == ["trigger key-1"]

    at_work(Desk(), story)


def test_the_waits_grow_up_to_their_cap() -> None:
    async def story(desk: Desk) -> None:
        desk.pagerduty.answer(503)
        await desk.owe(delivery())
        seen = 0
        for _ in range(400):
            await passes(0.1)
            if desk.pagerduty.attempts > seen:
                seen = desk.pagerduty.attempts
                tries.append(now())
        gaps = [round(later - earlier, 1) for earlier, later in itertools.pairwise(tries)]
        assert gaps[:6] == pytest.approx([0.25, 0.5, 1.0, 2.0, 4.0, 7.5], abs=0.21)
        assert set(gaps[6:]) <= {7.4, 7.5, 7.6}

    tries: list[float] = []
    at_work(Desk(uniform=0.5), story)


def test_what_the_pager_asked_to_wait_is_waited() -> None:
    async def story(desk: Desk) -> None:
        desk.pagerduty.answer(429, retry_after_s=90.0)
        await desk.owe(delivery())
        await passes(1)
        desk.pagerduty.answer(202)
        await passes(88)
        assert desk.pagerduty.attempts == 1
        await passes(2)
        assert told(desk.pagerduty) == ["trigger key-1"]

    at_work(Desk(), story)


def test_what_is_too_old_is_dead_and_not_before() -> None:
    async def story(desk: Desk) -> None:
        desk.pagerduty.answer(503)
        await desk.owe(delivery())
        await passes(3590)
        (waiting,) = (await desk.deliveries()).values()
        assert waiting.state is DeliveryState.PENDING
        await passes(30)
        (dead,) = (await desk.deliveries()).values()
        assert (dead.state, dead.error) == (DeliveryState.DEAD, "the pager answered 503")

    at_work(Desk(policy=RetryPolicy(max_age_s=3600.0)), story)


def test_evidence_that_fails_holds_up_what_follows_for_a_minute_at_most() -> None:
    async def story(desk: Desk) -> None:
        desk.gather_fails = ZeroDivisionError("evidence is broken")
        await desk.owe(delivery(Action.EVIDENCE, number=1), delivery(Action.UPDATE, number=2))
        await passes(50)
        assert told(desk.pagerduty) == []
        await passes(30)
        assert told(desk.pagerduty) == ["update key-1"]

    at_work(Desk(), story)


# ---------------------------------------------------------------- faults of our own
def test_a_fault_of_ours_is_a_retry_not_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    async def story(desk: Desk) -> None:
        desk.gather_fails = ZeroDivisionError("secret=hunter2")
        await desk.owe(delivery(Action.EVIDENCE))
        await passes(5)
        (waiting,) = (await desk.deliveries()).values()
        assert (waiting.state, waiting.error) == (
            DeliveryState.PENDING,
            "ZeroDivisionError inside the engine",
        )
        await desk.owe(delivery(key="other"))
        await passes(1)
        assert told(desk.pagerduty) == ["trigger other"]
        desk.gather_fails = None
        await passes(20)
        assert told(desk.pagerduty) == ["trigger other", "evidence key-1"]

    with caplog.at_level(logging.ERROR, logger="shopwatch_engine"):
        at_work(Desk(), story)
    assert "failed inside the engine" in caplog.text


def test_a_busy_store_delays_and_loses_nothing() -> None:
    async def story(desk: Desk) -> None:
        rng = random.Random(5)

        async def mostly_busy(method: str) -> None:
            if rng.random() < 0.7:
                raise StoreBusy(f"database is locked ({method})")

        for number in range(20):
            await desk.owe(delivery(key=f"key-{number}"), delivery(RESOLVE, key=f"key-{number}", number=2))
        desk.store.disturb = mostly_busy
        await passes(55)
        assert sorted(told(desk.pagerduty)) == sorted(
            f"{what} key-{number}" for number in range(20) for what in ("trigger", "resolve")
        )
        assert all(one.resolved for one in desk.pagerduty.incidents)

    at_work(Desk(), story)


def test_a_pager_that_raises_what_no_pager_should_is_tried_again() -> None:
    class Odd(FakePager):
        async def send(self, action: Action, notification: Notification) -> None:
            if self.attempts == 0:
                self.attempts += 1
                raise KeyError("status")
            await super().send(action, notification)

    async def story(desk: Desk) -> None:
        desk.pagers[PAGERDUTY] = Odd()
        await desk.owe(delivery())
        await passes(10)
        assert told(desk.pagerduty) == ["trigger key-1"]

    at_work(Desk(), story)
