"""The simulated world: a truth that changes, a Prometheus that tells it, pagers, and what goes wrong.

All of it is drawn from one seed. Every fault ends before the world's last minutes, so that an engine that
keeps its promises has kept them by the end.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from shopwatch_engine.exceptions import PagerError, SourceError, StoreBusy
from shopwatch_engine.model import Action, Exemplar, LabelSet, Notification, Sample

EPOCH: Final = 1_800_000_000.0
_MARKED: Final = re.compile(r'\(\n(?P<expr>[^\n]+)\n\), "__rule__", "(?P<mark>\d+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time, in seconds since the world began."""

    start: float
    end: float

    def __contains__(self, at: float) -> bool:
        return self.start <= at < self.end


@dataclass(kw_only=True)
class Life:
    """One life of the engine: once over, nothing that it does has an effect."""

    over: bool = False


LIFE: contextvars.ContextVar[Life] = contextvars.ContextVar("LIFE")


def still_alive() -> None:
    """Raises CancelledError in a life that is over, as code that no longer runs would have no effect."""
    if LIFE.get().over:
        raise asyncio.CancelledError


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Everything that will happen, drawn from a seed before it begins."""

    length_s: float
    truth: dict[str, tuple[Span, ...]]  # by expression: when its condition holds
    outages: tuple[Span, ...]  # Prometheus is away, and scrapes nothing
    spoiled: dict[str, tuple[Span, ...]]  # by expression: it is refused
    pager_faults: dict[str, tuple[tuple[Span, str], ...]]  # by integration
    store_faults: tuple[Span, ...]
    crashes: tuple[float, ...]
    clock_steps: tuple[tuple[float, float], ...]  # when, by how much


def draw(seed: int, *, exprs: tuple[str, ...], integrations: tuple[str, ...], length_s: float) -> Script:
    """The script of a seed: faults in the first three quarters, quiet after."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible world is the point
    troubled = length_s * 0.7
    return Script(
        length_s=length_s,
        truth={expr: tuple(_spans(rng, troubled, (20, 200), (30, 300))) for expr in exprs},
        outages=tuple(_spans(rng, troubled, (5, 90), (120, 900))),
        spoiled={
            expr: tuple(_spans(rng, troubled, (5, 60), (300, 1500)))
            for expr in rng.sample(exprs, len(exprs) // 2)
        },
        pager_faults={name: tuple(_pager_faults(rng, troubled)) for name in integrations},
        store_faults=tuple(_spans(rng, troubled, (1, 20), (200, 900))),
        crashes=tuple(sorted(rng.uniform(10, troubled) for _ in range(rng.randint(3, 12)))),
        clock_steps=tuple((rng.uniform(10, troubled), rng.uniform(-3, 3)) for _ in range(rng.randint(0, 3))),
    )


def _spans(
    rng: random.Random, until: float, lasting: tuple[float, float], apart: tuple[float, float]
) -> Iterator[Span]:
    at = rng.uniform(*apart)
    while at < until:
        end = min(at + rng.uniform(*lasting), until)
        yield Span(start=at, end=end)
        at = end + rng.uniform(*apart)


def _pager_faults(rng: random.Random, until: float) -> Iterator[tuple[Span, str]]:
    for span in _spans(rng, until, (2, 120), (30, 400)):
        yield span, rng.choice(("fail", "reset", "lost-answer", "hang", "limit"))


@dataclass(kw_only=True)
class SimulatedClock:
    """Wall-clock time: the loop's, with the steps that somebody's time server makes."""

    steps: tuple[tuple[float, float], ...] = ()

    def now(self) -> float:
        """Seconds since the epoch."""
        at = asyncio.get_running_loop().time()
        return EPOCH + at + sum(by for when, by in self.steps if when <= at)


@dataclass(kw_only=True)
class SimulatedPrometheus:
    """Tells the truth when it is there. After an outage ranges are empty until they fill again."""

    script: Script
    refill_s: float
    rng: random.Random

    async def query(self, expr: str, at: float) -> tuple[Sample, ...]:
        """The instant vector of single rules and of the engine's batches; ``at`` is about now."""
        del at
        still_alive()
        await asyncio.sleep(self.rng.uniform(0.001, 0.05))
        now = asyncio.get_running_loop().time()
        if any(now in span for span in self.script.outages):
            await asyncio.sleep(self.rng.choice((0.0, 0.5)))
            raise SourceError("connection refused")
        asked = _MARKED.findall(expr) or [(expr, "")]
        if any(now in span for one, _ in asked for span in self.script.spoiled.get(one, ())):
            raise SourceError("execution: many-to-many matching", culprit=True)
        if any(span.end <= now < span.end + self.refill_s for span in self.script.outages):
            return ()
        return tuple(
            Sample(labels=LabelSet.of({"series": one, "__rule__": mark}), value=1.0)
            for one, mark in asked
            if any(now in span for span in self.script.truth[one])
        )

    async def exemplars(self, expr: str, start: float, end: float) -> tuple[Exemplar, ...]:
        """None."""
        del expr, start, end
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerEvent:
    """What a pager did: opened or resolved an incident; ``decided_at`` is when the engine decided so."""

    at: float
    decided_at: float
    dedup_key: str
    what: str  # opened | resolved
    is_bare: bool  # without evidence
    group: LabelSet


@dataclass(kw_only=True)
class SimulatedPager:
    """A pager with PagerDuty's meaning: one open incident a key, a resolve of none is dropped."""

    name: str
    script: Script
    rng: random.Random
    events: list[PagerEvent] = field(default_factory=list)
    _open: set[str] = field(default_factory=set)
    _bare: set[str] = field(default_factory=set)

    async def send(self, action: Action, notification: Notification) -> None:
        """Take a page, or fail as the script says."""
        still_alive()
        await asyncio.sleep(self.rng.uniform(0.005, 0.3))
        still_alive()  # a process that died mid-request may or may not have got through
        fault = self._fault()
        if fault == "hang":
            await asyncio.sleep(10.0)
            raise PagerError("timed out", retry=True)
        if fault in ("fail", "reset"):
            raise PagerError(fault, retry=True)
        if fault == "limit":
            raise PagerError("429", retry=True, retry_after_s=self.rng.uniform(1, 10))
        self._take(action, notification)
        if fault == "lost-answer" and self.rng.random() < 0.5:
            raise PagerError("the answer was lost", retry=True)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _fault(self) -> str:
        now = asyncio.get_running_loop().time()
        return next((kind for span, kind in self.script.pager_faults[self.name] if now in span), "")

    def _take(self, action: Action, notification: Notification) -> None:
        key = notification.dedup_key
        if action is Action.RESOLVE:
            if key in self._open:
                self._open.discard(key)
                self._note("resolved", notification)
            return
        if key not in self._open:
            self._open.add(key)
            self._bare.add(key)
            self._note("opened", notification)
        if notification.evidence is not None:
            self._bare.discard(key)

    def _note(self, what: str, notification: Notification) -> None:
        at = asyncio.get_running_loop().time()
        self.events.append(
            PagerEvent(
                at=at,
                decided_at=notification.at - EPOCH,
                dedup_key=notification.dedup_key,
                what=what,
                is_bare=notification.dedup_key in self._bare,
                group=notification.group_labels,
            )
        )


@dataclass(kw_only=True)
class StoreWeather:
    """Delays each call of the store, makes it busy as the script says, and stops the calls of the dead."""

    script: Script
    rng: random.Random

    async def __call__(self, method: str) -> None:
        """Before a method of the store acts."""
        still_alive()
        await asyncio.sleep(self.rng.uniform(0.0005, 0.02))
        still_alive()
        now = asyncio.get_running_loop().time()
        if any(now in span for span in self.script.store_faults) and self.rng.random() < 0.7:
            raise StoreBusy(f"database is locked ({method})")
