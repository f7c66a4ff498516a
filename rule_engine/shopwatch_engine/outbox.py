"""The outbox: what was committed is delivered, in order for each incident, until the pager has it.

Two lanes, so that evidence never holds up a page: pages (trigger, update, resolve) and evidence. A lane
claims what is due, sends it side by side within a bound for each pager, so that one that hangs holds up no
other, and settles each; a failure is a new date, not a loss. What a pager refuses for good is kept as dead,
and said.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from shopwatch_engine.clock import Clock
from shopwatch_engine.core.retry import RetryPolicy
from shopwatch_engine.exceptions import PagerError
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import Action, Delivery, DeliveryState, Evidence, Notification
from shopwatch_engine.patience import Patience
from shopwatch_engine.ports import Pager, Store
from shopwatch_engine.steps import Checkpoint, Step, walk_on

LOG = logging.getLogger(__name__)

GatherEvidence = Callable[[Notification], Awaitable[Evidence]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Deliveries that share a bound on how many are sent at once: ``width`` to each pager."""

    name: str
    actions: tuple[Action, ...]
    width: int
    lease_s: float = 120.0  # longer than any send takes: a claim lapses only with its engine


PAGES: Final = Lane(name="pages", actions=(Action.TRIGGER, Action.UPDATE, Action.RESOLVE), width=16)
EVIDENCE: Final = Lane(name="evidence", actions=(Action.EVIDENCE,), width=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Delivers what the store holds.

    Args:
        store: where deliveries wait.
        pagers: by integration id.
        gather: finds an incident's evidence; must not raise.
        clock: tells the time.
        uniform: random numbers in [0, 1), for the jitter.
        policy: when to try again.
        metrics: counts attempts.
        patience: with a busy store.
        checkpoint: stands at the named steps.
    """

    store: Store
    pagers: Mapping[str, Pager]
    gather: GatherEvidence
    clock: Clock
    uniform: Callable[[], float]
    metrics: EngineMetrics
    patience: Patience
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    checkpoint: Checkpoint = walk_on
    _wakes: dict[str, asyncio.Event] = field(default_factory=dict)

    def wake(self) -> None:
        """Something new is owed, or something that others waited for was settled."""
        for event in self._wakes.values():
            event.set()

    async def run(self, lane: Lane) -> None:
        """Deliver a lane's deliveries, for ever."""
        wake = self._wakes.setdefault(lane.name, asyncio.Event())
        underway: dict[str, str] = {}  # delivery id to integration
        async with asyncio.TaskGroup() as sending:
            while True:
                wake.clear()
                claimed = await self._claim(lane, underway)
                for delivery in claimed:
                    underway[delivery.id] = delivery.integration
                    sending.create_task(self._deliver(delivery, underway))
                if not claimed:
                    await self._rest(lane, wake, underway)

    async def _claim(self, lane: Lane, underway: Mapping[str, str]) -> tuple[Delivery, ...]:
        """Take no more than any pager that is not full may still have under way."""
        full = _full(lane, underway)
        busiest = max(
            (count for name, count in Counter(underway.values()).items() if name not in full), default=0
        )
        claimed = await self.patience(
            lambda: self.store.claim(
                actions=lane.actions,
                now=self.clock.now(),
                lease_s=lane.lease_s,
                limit=lane.width - busiest,
                without=full,
            )
        )
        # A claim that lapsed while its delivery is still under way must not send it twice.
        return tuple(one for one in claimed if one.id not in underway)

    async def _rest(self, lane: Lane, wake: asyncio.Event, underway: Mapping[str, str]) -> None:
        """Wait until something is due, or something changes."""
        full = _full(lane, underway)
        due_at = await self.patience(lambda: self.store.next_attempt_at(actions=lane.actions, without=full))
        timeout = None if due_at is None else max(due_at - self.clock.now(), 0.0)
        try:
            async with asyncio.timeout(timeout):
                await wake.wait()
        except TimeoutError:
            return

    async def _deliver(self, delivery: Delivery, underway: dict[str, str]) -> None:
        self.checkpoint(Step.BEFORE_SEND, delivery.action)
        settled, result = await self._send(delivery)
        self.checkpoint(Step.AFTER_SEND, delivery.action)
        await self.patience(lambda: self.store.settle(settled))
        self.metrics.attempted(settled, result)
        self.checkpoint(Step.AFTER_SETTLE, delivery.action)
        del underway[delivery.id]
        self.wake()

    async def _send(self, delivery: Delivery) -> tuple[Delivery, str]:
        """Try once; the delivery as it must be settled, and the result's name."""
        tried = replace(delivery, attempts=delivery.attempts + 1)
        try:
            await self._hand_over(delivery)
        except PagerError as error:
            return self._refused(tried, error)
        except Exception as error:  # a fault of ours must neither lose a page nor stop the lane
            LOG.exception("delivery %s failed inside the engine", delivery.id)
            return self._refused(tried, PagerError(f"{type(error).__name__} inside the engine", retry=True))
        now = self.clock.now()
        LOG.info("delivered %s to %s: %s", delivery.action.value, delivery.integration, delivery.dedup_key)
        return replace(tried, state=DeliveryState.DELIVERED, settled_at=now, error=""), "delivered"

    async def _hand_over(self, delivery: Delivery) -> None:
        pager = self.pagers.get(delivery.integration)
        if pager is None:
            raise PagerError(
                f"the routing file has no {delivery.integration!r} any more; put the receiver back",
                retry=False,
            )
        notification = delivery.notification
        if delivery.action is Action.EVIDENCE:
            notification = replace(notification, evidence=await self.gather(notification))
        await pager.send(delivery.action, notification)

    def _refused(self, tried: Delivery, error: PagerError) -> tuple[Delivery, str]:
        now = self.clock.now()
        failed = replace(tried, error=error.reason)
        if not error.retry or self.policy.is_too_old(tried, now=now):
            LOG.error("%s will not take %s: %s", tried.integration, tried.id, error.reason)
            return replace(failed, state=DeliveryState.DEAD, settled_at=now), "dead"
        delay_s = self.policy.delay_s(
            tried.attempts, uniform=self.uniform(), retry_after_s=error.retry_after_s
        )
        LOG.warning(
            "%s did not take %s, next in %.1f s: %s", tried.integration, tried.id, delay_s, error.reason
        )
        return replace(failed, next_attempt_at=now + delay_s), "retried"


def _full(lane: Lane, underway: Mapping[str, str]) -> frozenset[str]:
    """The integrations that have as much under way as they may."""
    return frozenset(name for name, count in Counter(underway.values()).items() if count >= lane.width)
