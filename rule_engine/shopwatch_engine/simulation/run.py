"""One seed, one life of the world: engines are born, crash and are born again until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from shopwatch_engine.core.incidents import Desk
from shopwatch_engine.metrics import EngineMetrics
from shopwatch_engine.model import (
    Action,
    AlertRule,
    Evidence,
    Integration,
    LabelSet,
    Notification,
    PagerKind,
    Receiver,
    Route,
    RuleGroup,
    RuleSet,
    Secret,
)
from shopwatch_engine.outbox import Outbox
from shopwatch_engine.patience import Patience
from shopwatch_engine.ports import MetricSource, Pager, Store
from shopwatch_engine.runtime.engine import Engine
from shopwatch_engine.simulation.loop import run_virtually
from shopwatch_engine.simulation.oracle import Violation, violations
from shopwatch_engine.simulation.world import (
    LIFE,
    Life,
    Script,
    SimulatedClock,
    SimulatedPager,
    SimulatedPrometheus,
    Span,
    StoreWeather,
    draw,
)
from shopwatch_engine.steps import Step
from shopwatch_engine.testing.store import MemoryStore

EXPRS: Final = tuple(f"truth_{index} > 0" for index in range(6))
INTEGRATIONS: Final = ("on-call/pagerduty/0", "on-call/opsgenie/0")
LOOKBACK_S: Final = 20.0
SCRAPE_INTERVAL_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an engine is made of; a test may plant a bug in one of them."""

    source: Callable[[MetricSource], MetricSource] = lambda source: source
    store: Callable[[Store], Store] = lambda store: store
    pager: Callable[[Pager], Pager] = lambda pager: pager
    lookback_s: float = LOOKBACK_S


SOUND: Final = Parts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a seed's world came to."""

    seed: int
    violations: tuple[Violation, ...]
    opened: int
    resolved: int
    crashes: int
    faults: int


def simulate(seed: int, *, length_s: float = 3600.0, parts: Parts = SOUND) -> Outcome:
    """Live through one world; the same seed gives the same outcome to the last step."""
    with _silence():
        return run_virtually(_live(seed, length_s, parts), seed=seed)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """A world's faults are no news: the engine's own log would bury whatever is."""
    log = logging.getLogger("shopwatch_engine")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


async def _live(seed: int, length_s: float, parts: Parts) -> Outcome:
    script = draw(seed, exprs=EXPRS, integrations=INTEGRATIONS, length_s=length_s)
    rng = random.Random(seed + 1)  # noqa: S311 - a reproducible world is the point
    pagers = {name: SimulatedPager(name=name, script=script, rng=rng) for name in INTEGRATIONS}
    store = MemoryStore(StoreWeather(script=script, rng=rng))
    downtimes = await _lives(script, rng, pagers, store, parts)
    events = [event for pager in pagers.values() for event in pager.events]
    return Outcome(
        seed=seed,
        violations=violations(script, downtimes, pagers.values()),
        opened=sum(event.what == "opened" for event in events),
        resolved=sum(event.what == "resolved" for event in events),
        crashes=len(downtimes),
        faults=len(script.outages) + len(script.store_faults) + sum(map(len, script.pager_faults.values())),
    )


async def _lives(
    script: Script,
    rng: random.Random,
    pagers: Mapping[str, SimulatedPager],
    store: MemoryStore,
    parts: Parts,
) -> tuple[Span, ...]:
    loop = asyncio.get_running_loop()
    downtimes = []
    for at in (*script.crashes, script.length_s):
        life = Life()
        context = contextvars.copy_context()
        context.run(LIFE.set, life)
        store.reopen()
        doomed = _doom(rng, life) if at < script.length_s else _undoomed
        engine = _engine(script, rng, pagers, store, parts, doomed)
        task = loop.create_task(engine.run(), context=context)
        while loop.time() < at and not task.done():
            await asyncio.wait({task}, timeout=at - loop.time())
        life.over = True
        task.cancel()
        await asyncio.wait({task})
        _raise_what_is_no_crash(task)
        downtime_s = rng.choice((rng.uniform(0.1, 5.0), rng.uniform(20.0, 90.0)))
        downtimes.append(Span(start=loop.time(), end=loop.time() + downtime_s))
        await asyncio.sleep(downtime_s)
    return tuple(downtimes[:-1])


class Crash(BaseException):
    """The engine's process ends here."""


def _raise_what_is_no_crash(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, BaseExceptionGroup):
        error = error.split(Crash)[1]
    if error is not None:
        raise error


def _doom(rng: random.Random, life: Life) -> Callable[[Step, Action], None]:
    """A checkpoint that ends the process at one of the steps that it passes, once in a while."""
    left = rng.randint(1, 60)

    def pass_by(step: Step, _action: Action) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            life.over = True
            raise Crash(step.value)

    return pass_by


def _undoomed(_step: Step, _action: Action) -> None:
    return


def _engine(
    script: Script,
    rng: random.Random,
    pagers: Mapping[str, SimulatedPager],
    store: Store,
    parts: Parts,
    checkpoint: Callable[[Step, Action], None],
) -> Engine:
    clock = SimulatedClock(steps=script.clock_steps)
    metrics = EngineMetrics(CollectorRegistry())
    patience = Patience(metrics, give_up_s=3600.0)
    source = SimulatedPrometheus(script=script, refill_s=LOOKBACK_S + SCRAPE_INTERVAL_S, rng=rng)
    store = parts.store(store)
    outbox = Outbox(
        store=store,
        pagers={name: parts.pager(pager) for name, pager in pagers.items()},
        gather=_gather,
        clock=clock,
        uniform=rng.random,
        metrics=metrics,
        patience=patience,
        checkpoint=checkpoint,
    )
    return Engine(
        rules=_rules(parts.lookback_s),
        root=_route(),
        desk=Desk(receivers={"on-call": _receiver()}),
        source=parts.source(source),
        store=store,
        outbox=outbox,
        clock=clock,
        metrics=metrics,
        patience=patience,
        scrape_interval_s=SCRAPE_INTERVAL_S,
        unknown_after_s=1e9,  # the engine's own alert is not part of the truth
        checkpoint=checkpoint,
    )


async def _gather(notification: Notification) -> Evidence:
    await asyncio.sleep(0.2)
    return Evidence(gathered_at=notification.at)


def _rules(lookback_s: float) -> RuleSet:
    rules = tuple(
        AlertRule(
            id=f"world/{expr}",
            group="world",
            name=f"Truth{index}",
            expr=expr,
            for_s=(0.0, 5.0, 10.0)[index % 3],
            keep_firing_for_s=(0.0, 0.0, 15.0)[index % 3],
            labels=LabelSet.of({"severity": ("critical", "warning")[index % 2]}),
            lookback_s=lookback_s,
        )
        for index, expr in enumerate(EXPRS)
    )
    return RuleSet(groups=(RuleGroup(name="world", file="world.yml", interval_s=5.0, rules=rules),))


def _route() -> Route:
    return Route(
        key="{}",
        receiver="on-call",
        group_by=("alertname", "series"),
        group_wait_s=1.0,
        group_interval_s=5.0,
        repeat_interval_s=600.0,
    )


def _receiver() -> Receiver:
    return Receiver(
        name="on-call",
        integrations=tuple(
            Integration(id=name, kind=PagerKind(name.split("/")[1]), url="http://127.0.0.1", key=Secret("k"))
            for name in INTEGRATIONS
        ),
    )
