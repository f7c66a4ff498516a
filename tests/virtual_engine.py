"""A whole engine in virtual time: a source that is told what to answer, a store in memory, fake pagers.

What the store and the pagers hold outlives the engine: ``live`` again is a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from alert_values import PAGERDUTY, integration, receiver, receivers, route, sample
from shopwatch_engine.core.incidents import Desk
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import (
    Action,
    AlertRule,
    Evidence,
    Notification,
    Route,
    RuleGroup,
    RuleSet,
    Sample,
)
from shopwatch_engine.outbox import Outbox
from shopwatch_engine.patience import Patience
from shopwatch_engine.runtime.engine import Engine
from shopwatch_engine.simulation.world import EPOCH, SimulatedClock
from shopwatch_engine.steps import Checkpoint, walk_on
from shopwatch_engine.testing.notifications import sample_evidence
from shopwatch_engine.testing.pagers import FakePager
from shopwatch_engine.testing.sources import FakeMetricSource
from shopwatch_engine.testing.store import MemoryStore

QUICK = route(group_by=("alertname",), group_wait_s=1.0, group_interval_s=15.0, repeat_interval_s=86_400.0)
INTERVAL_S = 15.0


def seconds() -> float:
    """Seconds since the world began."""
    return asyncio.get_running_loop().time()


async def until(second: float) -> None:
    """Let time pass up to a second of the world."""
    await asyncio.sleep(max(second - seconds(), 0.0))


def during(
    *spans: tuple[float, float], value: float = 1.0, **labels: str
) -> Callable[[float], tuple[Sample, ...]]:
    """An answer: a sample while one of the spans, in seconds since the world began, lasts."""

    def answer(at: float) -> tuple[Sample, ...]:
        there = any(start <= at - EPOCH < end for start, end in spans)
        return (sample(value, **labels),) if there else ()

    return answer


@dataclass(kw_only=True)
class World:
    """What an engine lives in; change anything while it lives, or between two lives."""

    rules: list[AlertRule]
    root: Route = QUICK
    unknown_after_s: float = 300.0
    limit: int = 0
    query_offset_s: float = 0.0
    retention_s: float = 86_400.0
    scrape_interval_s: float = 5.0
    checkpoint: Checkpoint = walk_on
    source: FakeMetricSource = field(default_factory=FakeMetricSource)
    store: MemoryStore = field(default_factory=MemoryStore)
    pager: FakePager = field(default_factory=FakePager)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    engine: Engine | None = None

    async def live(self, until_second: float) -> None:
        """Let an engine work until a second of the world, then end it.

        Raises:
            Exception: what the engine raised, if it ended before.
        """
        self.store.reopen()
        self.registry = CollectorRegistry()
        self.engine = self._engine()
        working = asyncio.create_task(self.engine.run())
        await asyncio.wait({working}, timeout=until_second - seconds())
        if working.done():
            await working
        working.cancel()
        await asyncio.wait({working})

    def _engine(self) -> Engine:
        metrics = EngineMetrics(self.registry)
        patience = Patience(metrics)
        clock = SimulatedClock()
        outbox = Outbox(
            store=self.store,
            pagers={PAGERDUTY: self.pager},
            gather=_gather,
            clock=clock,
            uniform=lambda: 0.5,
            metrics=metrics,
            patience=patience,
            checkpoint=self.checkpoint,
        )
        group = RuleGroup(
            name="shop",
            file="shop.yml",
            interval_s=INTERVAL_S,
            limit=self.limit,
            query_offset_s=self.query_offset_s,
            rules=tuple(self.rules),
        )
        return Engine(
            rules=RuleSet(groups=(group,)),
            root=self.root,
            desk=Desk(receivers=receivers(receiver(integration()))),
            source=self.source,
            store=self.store,
            outbox=outbox,
            clock=clock,
            metrics=metrics,
            patience=patience,
            unknown_after_s=self.unknown_after_s,
            scrape_interval_s=self.scrape_interval_s,
            retention_s=self.retention_s,
            checkpoint=self.checkpoint,
        )

    def told(self, *actions: Action) -> list[str]:
        """``trigger HighErrorRate``: the pages that the pager took, without evidence unless asked for."""
        wanted = actions or (Action.TRIGGER, Action.UPDATE, Action.RESOLVE)
        return [
            f"{page.action.value} {page.notification.group_labels.get('alertname')}"
            for page in self.pager.pages
            if page.action in wanted
        ]

    def open_incidents(self) -> list[str]:
        """The alert names of the incidents that are open at the pager."""
        groups: Iterable[Notification] = (
            one.pages[0].notification for one in self.pager.incidents if not one.resolved
        )
        return sorted(one.group_labels.get("alertname") for one in groups)


async def _gather(notification: Notification) -> Evidence:
    del notification
    return sample_evidence()
