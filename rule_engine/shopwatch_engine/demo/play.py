"""What was seen of each fault so far. Pure: values, and how an observation changes them.

A turn is one fault's: switched on, its alert pending, firing, a page at each pager, evidence in the pages,
switched off, resolved. Times are seconds since the epoch; those of pages are the pagers' own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

PAGERS: Final = ("pagerduty", "opsgenie")
"""The pagers that every fault must reach, as the sandbox names them."""


class Stage(Enum):
    """How far a turn is, in order."""

    WAITING = "waiting"
    BROKEN = "broken"
    PENDING = "pending"
    FIRING = "firing"
    PAGED = "paged"
    EXPLAINED = "explained"
    REPAIRED = "repaired"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that the shop offers, and the alert that has to find it.

    ``mechanism``: ``http`` (a switch of the service), ``crash`` (its process is killed), ``attack`` (a
    process that attacks it).
    """

    name: str
    service: str
    description: str
    alert: str
    mechanism: str = "http"
    track: str = "stable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAlert:
    """An alert that the engine has: pending or firing."""

    name: str
    service: str
    firing: bool
    active_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An incident that a pager holds. ``alert`` and ``service`` are read from what the pager was sent."""

    pager: str
    id: str
    alert: str
    service: str
    title: str
    opened_at: float
    resolved_at: float | None = None
    explained_at: float | None = None  # when its evidence came
    traces: int = 0
    logs: int = 0

    @property
    def has_evidence(self) -> bool:
        """Whether traces or log lines came with it."""
        return bool(self.traces or self.logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One fault's turn. ``is_crash``: the engine is killed between its alert and its page."""

    fault: Fault
    is_crash: bool = False
    broken_at: float | None = None
    pending_at: float | None = None
    firing_at: float | None = None
    killed_at: float | None = None
    restarted_at: float | None = None
    repaired_at: float | None = None
    pages: tuple[Page, ...] = ()

    @property
    def stage(self) -> Stage:
        """How far it is."""
        if self.is_resolved:
            return Stage.RESOLVED
        reached = (
            (Stage.REPAIRED, self.repaired_at is not None),
            (Stage.EXPLAINED, self.is_explained),
            (Stage.PAGED, self.is_paged),
            (Stage.FIRING, self.firing_at is not None),
            (Stage.PENDING, self.pending_at is not None),
            (Stage.BROKEN, self.broken_at is not None),
        )
        return next((stage for stage, is_so in reached if is_so), Stage.WAITING)

    @property
    def is_broken(self) -> bool:
        """Whether the fault is on."""
        return self.broken_at is not None and self.repaired_at is None

    @property
    def is_paged(self) -> bool:
        """Whether every pager has its page."""
        return {page.pager for page in self.pages} >= set(PAGERS)

    @property
    def is_explained(self) -> bool:
        """Whether every pager has its page, with evidence."""
        return {page.pager for page in self.pages if page.has_evidence} >= set(PAGERS)

    @property
    def is_resolved(self) -> bool:
        """Whether the fault is off and every page resolved since."""
        return (
            self.repaired_at is not None
            and self.is_paged
            and all(page.resolved_at is not None for page in self.pages)
        )

    def pages_at(self, pager: str) -> tuple[Page, ...]:
        """Its pages at one pager; one is right."""
        return tuple(page for page in self.pages if page.pager == pager)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """All turns, in order, and pages that belong to none."""

    turns: tuple[Turn, ...]
    strangers: tuple[Page, ...] = ()
    alerts: tuple[SeenAlert, ...] = ()  # as last seen; an engine that is down shows none

    def turn(self, name: str) -> Turn:
        """The turn of a fault."""
        return next(turn for turn in self.turns if turn.fault.name == name)

    def changed(self, name: str, **times: float) -> Play:
        """The same with times of one turn set."""
        turns = (
            replace(turn, **times) if turn.fault.name == name else turn  # type: ignore[arg-type]
            for turn in self.turns
        )
        return replace(self, turns=tuple(turns))


def observed(play: Play, alerts: Iterable[SeenAlert], pages: Iterable[Page], *, now: float) -> Play:
    """The play after a look at the engine's alerts and the pagers' incidents."""
    alerts, pages = tuple(alerts), tuple(pages)
    turns = tuple(_observed(turn, alerts, pages, now=now) for turn in play.turns)
    owned = {page.id for turn in turns for page in turn.pages}
    strangers = tuple(page for page in pages if page.id not in owned)
    return replace(play, turns=turns, strangers=strangers, alerts=alerts)


def is_about(fault: Fault, alert: str, service: str) -> bool:
    """Whether an alert is the fault's; a service that the alert does not name fits any."""
    return alert == fault.alert and service in ("", fault.service)


def _observed(turn: Turn, alerts: tuple[SeenAlert, ...], pages: tuple[Page, ...], *, now: float) -> Turn:
    if turn.broken_at is None:
        return turn  # what pages before its fault is on is a stranger
    own = [one for one in alerts if is_about(turn.fault, one.name, one.service)]
    mine = tuple(
        page
        for page in pages
        if page.opened_at >= turn.broken_at and is_about(turn.fault, page.alert, page.service)
    )
    begun = [one.active_at for one in own]
    # What fires is seen a little late; a page proves that it fired before.
    fired = [now for one in own if one.firing] + [page.opened_at for page in mine]
    return replace(
        turn,
        pending_at=min(begun, default=None) if turn.pending_at is None else turn.pending_at,
        firing_at=min(fired, default=None) if turn.firing_at is None else turn.firing_at,
        pages=mine,
    )
