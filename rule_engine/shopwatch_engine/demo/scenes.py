"""Which fault is shown when, and how long each step may take. Pure.

One fault at a time: the next is switched on when the one before has paged everybody and is switched off,
while it still resolves. The turn in which the engine is killed comes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from shopwatch_engine.demo.play import Fault, Play, Turn


class Deed(Enum):
    """What is done to a fault."""

    BREAK = "break"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is to be done now."""

    deed: Deed
    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Bounds, in seconds; what takes longer has failed."""

    to_page_s: float = 60.0
    to_evidence_s: float = 15.0
    to_resolve_s: float = 60.0
    to_restart_s: float = 25.0
    in_all_s: float = 145.0


def turns_of(faults: tuple[Fault, ...], *, crash_in: str) -> tuple[Turn, ...]:
    """The turns, in order; in one of them, the last, the engine is killed.

    Raises:
        ValueError: there is no fault of that name.
    """
    if crash_in not in {fault.name for fault in faults}:
        raise ValueError(f"no fault {crash_in!r}, expected one of {', '.join(one.name for one in faults)}")
    turns = (Turn(fault=fault, is_crash=fault.name == crash_in) for fault in faults)
    return tuple(sorted(turns, key=lambda turn: turn.is_crash))


def next_move(play: Play) -> Move | None:
    """What is to be done now: a fault that did its work goes off, then the next one on."""
    for turn in play.turns:
        if turn.broken_at is None:
            return Move(deed=Deed.BREAK, turn=turn)
        if turn.is_broken:
            return Move(deed=Deed.REPAIR, turn=turn) if turn.is_explained else None
    return None


def overdue(play: Play, pace: Pace, *, now: float) -> str:
    """What has taken longer than it may, in words; empty while all is in time."""
    return next((late for turn in play.turns for late in _late(turn, pace, now)), "")


def _late(turn: Turn, pace: Pace, now: float) -> Iterator[str]:
    name, alert = turn.fault.name, turn.fault.alert
    if turn.broken_at is None:
        return
    allowed_s = pace.to_page_s + (pace.to_restart_s if turn.is_crash else 0.0)
    if not turn.is_paged and now - turn.broken_at > allowed_s:
        yield f"{name}: {alert} was not at both pagers {allowed_s:g} s after the fault ({_reached(turn)})"
    opened = max((page.opened_at for page in turn.pages), default=now)
    if turn.is_paged and not turn.is_explained and now - opened > pace.to_evidence_s:
        yield f"{name}: no evidence at {_bare(turn)} {pace.to_evidence_s:g} s after the page"
    if turn.repaired_at is not None and not turn.is_resolved and now - turn.repaired_at > pace.to_resolve_s:
        yield f"{name}: {alert} was not resolved at both pagers {pace.to_resolve_s:g} s after the repair"


def _reached(turn: Turn) -> str:
    at = ", ".join(page.pager for page in turn.pages)
    return f"its alert was {turn.stage.value}" + (f", paged at {at}" if at else "")


def _bare(turn: Turn) -> str:
    return " and ".join(page.pager for page in turn.pages if not page.has_evidence)
