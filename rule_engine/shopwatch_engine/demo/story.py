"""What there is to tell: the difference between two looks at the play, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from shopwatch_engine.demo.play import Page, Play, Turn

PAGER_NAMES: Final = {"pagerduty": "PagerDuty", "opsgenie": "Opsgenie"}


class Tone(Enum):
    """How a line is meant."""

    PLAIN = "plain"
    BAD = "bad"
    WARNING = "warning"
    PAGE = "page"
    GOOD = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened: when, to which fault (or to none), and what."""

    at: float
    subject: str
    text: str
    tone: Tone = Tone.PLAIN


def news(before: Play, after: Play, *, now: float) -> tuple[Line, ...]:
    """What happened between two looks, oldest first."""
    lines = [
        line
        for old, new in zip(before.turns, after.turns, strict=True)
        if old != new
        for line in _turn_news(old, new)
    ]
    known = {page.id for page in before.strangers}
    lines += [_stranger(page) for page in after.strangers if page.id not in known]
    return tuple(sorted(lines, key=lambda line: min(line.at, now)))


def evidence_words(traces: int, logs: int) -> str:
    """What came with a page: ``5 traces, 12 logs``."""
    found = [counted(traces, "trace")] if traces else []
    found += [counted(logs, "log")] if logs else []
    return ", ".join(found) or "none"


def _turn_news(old: Turn, new: Turn) -> Iterator[Line]:
    fault = new.fault
    steps = (
        (old.broken_at, new.broken_at, f"broken: {fault.description}", Tone.BAD),
        (old.pending_at, new.pending_at, f"alert {fault.alert} is pending", Tone.WARNING),
        (old.firing_at, new.firing_at, f"alert {fault.alert} fires", Tone.BAD),
        (
            old.killed_at,
            new.killed_at,
            "kill -9 of the engine: it owes both pages, neither is out",
            Tone.BAD,
        ),
        (
            old.restarted_at,
            new.restarted_at,
            "the engine starts again, on the same store",
            Tone.GOOD,
        ),
        (old.repaired_at, new.repaired_at, "repaired", Tone.GOOD),
    )
    for earlier, later, text, tone in steps:
        if earlier is None and later is not None:
            yield Line(at=later, subject=fault.name, text=text, tone=tone)
    before = {page.id: page for page in old.pages}
    for page in new.pages:
        yield from _page_news(before.get(page.id), page, new)


def _page_news(old: Page | None, new: Page, turn: Turn) -> Iterator[Line]:
    name, pager = turn.fault.name, PAGER_NAMES.get(new.pager, new.pager)
    if old is None:
        delay = f" after {new.opened_at - turn.broken_at:.1f} s" if turn.broken_at is not None else ""
        yield Line(at=new.opened_at, subject=name, text=f"{pager} paged{delay}: {new.title}", tone=Tone.PAGE)
    if new.has_evidence and not (old and old.has_evidence):
        words = evidence_words(new.traces, new.logs)
        yield Line(at=new.explained_at or new.opened_at, subject=name, text=f"{pager} has evidence: {words}")
    if new.resolved_at is not None and (old is None or old.resolved_at is None):
        took = f" {new.resolved_at - turn.repaired_at:.1f} s after the repair" if turn.repaired_at else ""
        yield Line(at=new.resolved_at, subject=name, text=f"{pager} resolved{took}", tone=Tone.GOOD)


def _stranger(page: Page) -> Line:
    pager = PAGER_NAMES.get(page.pager, page.pager)
    return Line(
        at=page.opened_at, subject="?", text=f"unexpected page at {pager}: {page.title}", tone=Tone.BAD
    )


def counted(number: int, noun: str) -> str:
    """A number and its noun: ``1 trace``, ``2 traces``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
