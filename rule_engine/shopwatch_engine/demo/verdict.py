"""Whether what was seen is what was promised: exactly one page a fault and pager, resolved, with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from shopwatch_engine.demo.play import PAGERS, Page, Play, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. Seconds are None where there was no page, or no resolve."""

    fault: str
    alert: str
    pager: str
    page_s: float | None
    resolve_s: float | None
    traces: int
    logs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The table, and every expectation that failed."""

    rows: tuple[Row, ...]
    failures: tuple[str, ...]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether all of it went as promised."""
        return not self.failures

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.is_good,
            "seconds": round(self.seconds, 1),
            "pages": [_rounded(asdict(row)) for row in self.rows],
            "failures": list(self.failures),
        }


def judge(play: Play, *, seconds: float, trouble: str = "") -> Verdict:
    """The table and the verdict.

    Args:
        play: what was seen.
        seconds: how long it took.
        trouble: what ended it before its time, if anything did.
    """
    failures = (
        *((trouble,) if trouble else ()),
        *(failure for turn in play.turns for failure in _failures(turn)),
        *(_unexpected(page) for page in play.strangers),
    )
    rows = tuple(_row(turn, pager) for turn in play.turns for pager in PAGERS)
    return Verdict(rows=rows, failures=failures, seconds=seconds)


def _row(turn: Turn, pager: str) -> Row:
    page = next(iter(turn.pages_at(pager)), None)
    return Row(
        fault=turn.fault.name,
        alert=turn.fault.alert,
        pager=pager,
        page_s=_between(turn.broken_at, page.opened_at if page else None),
        resolve_s=_between(turn.repaired_at, page.resolved_at if page else None),
        traces=page.traces if page else 0,
        logs=page.logs if page else 0,
    )


def _failures(turn: Turn) -> Iterator[str]:
    name = turn.fault.name
    if turn.broken_at is None:
        yield f"{name}: its turn never came"
        return
    for pager in PAGERS:
        yield from (f"{name}: {failure} at {pager}" for failure in _page_failures(turn, pager))
    if turn.is_crash and not _crash_was_between(turn):
        yield f"{name}: the engine was not killed between the alert and its page"


def _page_failures(turn: Turn, pager: str) -> Iterator[str]:
    pages = turn.pages_at(pager)
    if not pages:
        yield f"no page about {turn.fault.alert}"
    if len(pages) > 1:
        yield f"{len(pages)} pages about {turn.fault.alert}, exactly one expected"
    if any(page.resolved_at is None for page in pages):
        yield "a page that did not resolve"
    if any(not page.has_evidence for page in pages):
        yield "a page without traces and log lines"
    if any(_is_early(turn, page) for page in pages):
        yield "a page that resolved before the repair"


def _is_early(turn: Turn, page: Page) -> bool:
    return page.resolved_at is not None and (turn.repaired_at is None or page.resolved_at < turn.repaired_at)


def _crash_was_between(turn: Turn) -> bool:
    if turn.firing_at is None or turn.killed_at is None or turn.restarted_at is None:
        return False
    opened = [page.opened_at for page in turn.pages]
    return turn.firing_at <= turn.killed_at and all(at > turn.killed_at for at in opened)


def _unexpected(page: Page) -> str:
    about = f" of {page.service}" if page.service else ""
    return f"an unexpected page at {page.pager}: {page.alert or 'no alert named'}{about}: {page.title}"


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}
