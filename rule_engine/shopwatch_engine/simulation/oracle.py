"""The promises, as invariants: what the pagers did is held against the truth that the script knows.

1. No lost trigger: a condition that held long enough while all was well has an incident open at each pager.
2. No lost resolve: at the end, with every condition gone, no incident is open.
3. No false resolve: an incident's condition was gone when the engine decided to resolve it.
4. No double: a key is opened at most once for each time that its condition began.
5. Nothing bare: an incident that stayed open for a minute of quiet has its evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shopwatch_engine.simulation.world import PagerEvent, Script, SimulatedPager, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that was not kept."""

    promise: str
    pager: str
    series: str
    at: float
    detail: str

    def __str__(self) -> str:
        return f"{self.promise} at {self.at:.3f} s, {self.pager}, {self.series}: {self.detail}"


def violations(
    script: Script, downtimes: tuple[Span, ...], pagers: Iterable[SimulatedPager]
) -> tuple[Violation, ...]:
    """Every promise that was not kept in a whole life of the world; ``downtimes`` are the engine's."""
    return tuple(found for pager in pagers for found in _of_pager(script, downtimes, pager))


def _of_pager(script: Script, downtimes: tuple[Span, ...], pager: SimulatedPager) -> Iterator[Violation]:
    by_series: dict[str, list[PagerEvent]] = defaultdict(list)
    for event in pager.events:
        by_series[event.group.get("series")].append(event)
    for series, holds in script.truth.items():
        events = by_series.pop(series, [])
        yield from _lost_triggers(script, downtimes, pager.name, series, holds, events)
        yield from _lost_resolves(pager.name, series, events)
        yield from _false_resolves(script, pager.name, series, holds, events)
        yield from _bare(script, downtimes, pager.name, series, events)
        yield from _doubles(pager.name, series, holds, events)
    for series, events in by_series.items():
        if series:
            yield Violation(
                promise="no page without a cause",
                pager=pager.name,
                series=series,
                at=events[0].at,
                detail="unknown",
            )


def _lost_triggers(
    script: Script,
    downtimes: tuple[Span, ...],
    pager: str,
    series: str,
    holds: Iterable[Span],
    events: list[PagerEvent],
) -> Iterator[Violation]:
    episodes = tuple(_episodes(events))
    for span in holds:
        told = any(_overlap(span, episode, _slack(script)) for episode in episodes)
        if _could_be_seen(script, downtimes, series, span) and not told:
            yield Violation(
                promise="no lost trigger",
                pager=pager,
                series=series,
                at=span.start,
                detail=f"{span} has no incident",
            )


def _episodes(events: Iterable[PagerEvent]) -> Iterator[Span]:
    """The times between the engine's decisions to open and to resolve, however late they were delivered."""
    opened_at = None
    for event in events:
        if event.what == "opened":
            opened_at = event.decided_at
        elif opened_at is not None:
            yield Span(start=opened_at, end=event.decided_at)
            opened_at = None
    if opened_at is not None:
        yield Span(start=opened_at, end=float("inf"))


def _overlap(one: Span, other: Span, slack: float) -> bool:
    return one.start - slack <= other.end and other.start <= one.end + slack


def _could_be_seen(script: Script, downtimes: tuple[Span, ...], series: str, span: Span) -> bool:
    """Whether the condition held for long with Prometheus there and no crash: it must be paged."""
    blind = [*script.outages, *script.store_faults, *script.spoiled.get(series, ()), *downtimes]
    disturbed = any(span.start < other.end + 30 and other.start < span.end for other in blind)
    return span.end - span.start > 45 and not disturbed


def _lost_resolves(pager: str, series: str, events: list[PagerEvent]) -> Iterator[Violation]:
    if events and events[-1].what == "opened":
        yield Violation(
            promise="no lost resolve", pager=pager, series=series, at=events[-1].at, detail="open at the end"
        )


def _false_resolves(
    script: Script, pager: str, series: str, holds: tuple[Span, ...], events: list[PagerEvent]
) -> Iterator[Violation]:
    """The decisions count: a pager that was away hears of an old end while the condition holds anew."""
    slack = _slack(script)
    decided_at = 0.0
    for event in events:
        if event.what == "opened":
            decided_at = event.decided_at
        elif any(span.start <= decided_at - slack and event.decided_at + slack < span.end for span in holds):
            yield Violation(
                promise="no false resolve",
                pager=pager,
                series=series,
                at=event.at,
                detail="the condition held",
            )


def _slack(script: Script) -> float:
    """How far the engine's clock may be from the world's, in seconds."""
    return sum(abs(by) for _, by in script.clock_steps)


def _bare(
    script: Script, downtimes: tuple[Span, ...], pager: str, series: str, events: list[PagerEvent]
) -> Iterator[Violation]:
    troubles = [*script.store_faults, *downtimes, *(span for span, _ in script.pager_faults[pager])]
    opened_at = 0.0
    for event in events:
        if event.what == "opened":
            opened_at = event.at
        elif event.is_bare and _is_quiet_minute(opened_at, event.at, troubles):
            yield Violation(
                promise="nothing bare", pager=pager, series=series, at=event.at, detail="no evidence"
            )


def _is_quiet_minute(start: float, end: float, troubles: Iterable[Span]) -> bool:
    return end - start > 60 and not any(one.start < end and start - 60 < one.end for one in troubles)


def _doubles(
    pager: str, series: str, holds: tuple[Span, ...], events: list[PagerEvent]
) -> Iterator[Violation]:
    opened = 0
    for event in events:
        if event.what != "opened":
            continue
        opened += 1
        begun = sum(span.start <= event.at for span in holds)
        if opened > begun:
            yield Violation(
                promise="no double", pager=pager, series=series, at=event.at, detail=f"{opened} of {begun}"
            )
