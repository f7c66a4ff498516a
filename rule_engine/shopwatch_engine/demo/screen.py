"""What the viewer sees: a live table in a terminal, plain lines with a time everywhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shopwatch_engine.demo.play import Page, Play, Stage, Turn
from shopwatch_engine.demo.story import PAGER_NAMES, Line, Tone, evidence_words
from shopwatch_engine.demo.verdict import Row, Verdict

_WIDE: Final = 100  # columns from which the alert's name has room
_FRAME_LINES: Final = 6  # header, rule, table head and rule, space, one to spare
_KEPT_LINES: Final = 60

_STAGES: Final = {
    Stage.WAITING: ("·", "dim"),
    Stage.BROKEN: ("✗", "red"),
    Stage.PENDING: ("◔", "yellow"),
    Stage.FIRING: ("●", "bold red"),
    Stage.PAGED: ("☎", "bold magenta"),
    Stage.EXPLAINED: ("☎", "bold magenta"),
    Stage.REPAIRED: ("↺", "cyan"),
    Stage.RESOLVED: ("✓", "bold green"),
}
_TONES: Final = {
    Tone.PLAIN: "",
    Tone.BAD: "red",
    Tone.WARNING: "yellow",
    Tone.PAGE: "bold magenta",
    Tone.GOOD: "green",
}


class Screen(Protocol):
    """Shows the play."""

    def tell(self, line: Line) -> None:
        """Something happened."""
        ...

    def show(self, play: Play, *, now: float) -> None:
        """How far everything is."""
        ...

    def last_picture(self, *, width: int, height: int) -> RenderableType:
        """All of it as it stands, for a screen of this size."""
        ...

    def close(self) -> None:
        """The show is over."""
        ...


class _Memory:
    """What was shown last, and the lines that led there."""

    def __init__(self, began_at: float) -> None:
        self._began_at = self._now = began_at
        self._play = Play(turns=())
        self._lines: deque[Line] = deque(maxlen=_KEPT_LINES)

    def _note(self, line: Line) -> None:
        self._lines.append(line)
        self._now = max(self._now, line.at)

    def show(self, play: Play, *, now: float) -> None:
        """How far everything is."""
        self._play, self._now = play, now

    def last_picture(self, *, width: int, height: int) -> RenderableType:
        """All of it as it stands, for a screen of this size."""
        return picture(
            self._play,
            tuple(self._lines),
            began_at=self._began_at,
            now=self._now,
            width=width,
            height=height,
        )


class PlainScreen(_Memory):
    """A line for everything that happens; no colour, no movement.

    Args:
        console: where lines go.
        began_at: the time that counts as 0.
    """

    def __init__(self, console: Console, *, began_at: float) -> None:
        super().__init__(began_at)
        self._console = console

    def tell(self, line: Line) -> None:
        """Print it."""
        self._note(line)
        said = f"{line.subject:<22} {line.text}" if line.subject else line.text
        self._console.print(Text(f"{max(line.at - self._began_at, 0.0):7.1f} s  {said}"), soft_wrap=True)

    def close(self) -> None:
        """Nothing is left to do."""


class LiveScreen(_Memory):
    """A table that moves, over the last lines of what happened.

    Args:
        console: a terminal.
        began_at: the time that counts as 0.
    """

    def __init__(self, console: Console, *, began_at: float) -> None:
        super().__init__(began_at)
        self._console = console
        self._live = Live(console=console, get_renderable=self._picture, refresh_per_second=5, transient=True)
        self._live.start()

    def tell(self, line: Line) -> None:
        """Add it to the lines at the bottom."""
        self._note(line)

    def close(self) -> None:
        """Clear what moved."""
        self._live.stop()

    def _picture(self) -> RenderableType:
        width, height = self._console.size
        return self.last_picture(width=width, height=height)


def picture(
    play: Play, lines: tuple[Line, ...], *, began_at: float, now: float, width: int, height: int
) -> RenderableType:
    """The whole screen, within these columns and rows."""
    space = max(height - len(play.turns) - _FRAME_LINES, 3)
    longest = max((len(turn.fault.name) for turn in play.turns), default=0)
    subject = longest if width >= _WIDE else 0
    return Group(
        _header(play, now - began_at, width),
        _stages(play, width=width),
        Text(),
        *(_log_line(line, began_at, subject) for line in lines[-space:]),
    )


def verdict_table(verdict: Verdict, *, width: int) -> Table:
    """The final table: a line a fault and pager; on a narrow screen the alert stands below its fault."""
    is_wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2 if is_wide else 1, 0, 0))
    for name in ("Fault", "Alert", "Pager") if is_wide else ("Fault, alert", "Pager"):
        table.add_column(name, no_wrap=True)
    table.add_column("Paged after", justify="right", no_wrap=True)
    table.add_column("Resolved after", justify="right", no_wrap=True)
    table.add_column("Evidence", no_wrap=True)
    previous = ""
    for row in verdict.rows:
        is_first = row.fault != previous
        fault, alert = Text(row.fault), Text(row.alert, style="dim")
        names = (fault, alert) if is_first else (Text(), Text())
        table.add_row(*(names if is_wide else (fault if is_first else alert,)), *_row_cells(row))
        previous = row.fault
    return table


def _row_cells(row: Row) -> Iterable[Text]:
    yield Text(PAGER_NAMES[row.pager])
    yield _seconds(row.page_s)
    yield _seconds(row.resolve_s)
    words = evidence_words(row.traces, row.logs)
    yield Text(words, style="" if row.traces or row.logs else "bold red")


def _seconds(value: float | None) -> Text:
    return Text("none", style="bold red") if value is None else Text(f"{value:.1f} s")


def _header(play: Play, elapsed_s: float, width: int) -> RenderableType:
    turns = play.turns
    done = sum(turn.is_resolved for turn in turns)
    left = Text.assemble(("shopwatch demo", "bold"), "   ", _headline(turns))
    right = Text(f"{done}/{len(turns)} faults   {int(elapsed_s) // 60:02}:{int(elapsed_s) % 60:02}")
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    line.add_column(justify="right", no_wrap=True)
    line.add_row(left, right)
    return Group(line, Text("─" * width, style="dim"))


def _headline(turns: tuple[Turn, ...]) -> Text:
    crashed = next((turn for turn in turns if turn.killed_at is not None and not turn.is_paged), None)
    if crashed is not None and crashed.restarted_at is None:
        return Text("the engine is dead: kill -9 between alert and page", style="bold red")
    if crashed is not None:
        return Text("the engine is back and owes the page", style="bold yellow")
    if not any(turn.broken_at for turn in turns):
        return Text("setting the stage", style="dim")
    return Text("a shop, broken on purpose", style="dim")


def _stages(play: Play, *, width: int) -> Table:
    gap = 2 if width >= _WIDE else 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0), expand=True)
    table.add_column("Fault", no_wrap=True, min_width=21)
    if width >= _WIDE:
        table.add_column("Alert", no_wrap=True, ratio=1)
    table.add_column("Stage", no_wrap=True, min_width=12)
    for pager in PAGER_NAMES.values():
        table.add_column(pager, no_wrap=True, justify="right", min_width=9)
    table.add_column("Evidence", no_wrap=True, justify="right", min_width=12)
    table.add_column("Resolved", no_wrap=True, justify="right", min_width=9)
    for turn in play.turns:
        table.add_row(*_stage_cells(turn, width))
    return table


def _stage_cells(turn: Turn, width: int) -> Iterable[Text]:
    mark, style = _STAGES[turn.stage]
    waiting = "dim" if turn.stage is Stage.WAITING else ""
    yield Text(turn.fault.name, style=waiting)
    if width >= _WIDE:
        yield Text(turn.fault.alert, style=waiting)
    yield Text(f"{mark} {_stage_word(turn)}", style=style)
    for pager in PAGER_NAMES:
        yield _delay(turn.broken_at, [page.opened_at for page in turn.pages_at(pager)], "magenta")
    yield _evidence_cell(turn.pages)
    resolved = [page.resolved_at for page in turn.pages if page.resolved_at is not None]
    yield _delay(turn.repaired_at, resolved if turn.is_resolved else [], "green")


def _stage_word(turn: Turn) -> str:
    stage = Stage.PAGED if turn.stage is Stage.EXPLAINED else turn.stage
    return str(stage.value)


def _delay(begin: float | None, ends: list[float], style: str) -> Text:
    if begin is None or not ends:
        return Text("-", style="dim")
    return Text(f"{max(ends) - begin:.1f} s", style=style)


def _evidence_cell(pages: tuple[Page, ...]) -> Text:
    traces = min((page.traces for page in pages), default=0)
    logs = min((page.logs for page in pages), default=0)
    if not traces and not logs:
        return Text("-", style="dim")
    return Text(f"{traces} tr, {logs} log", style="cyan")


def _log_line(line: Line, began_at: float, subject: int) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{max(line.at - began_at, 0.0):6.1f}  ", style="dim")
    if line.subject:
        text.append(f"{line.subject:<{subject}}  ", style="bold")
    text.append(line.text, style=_TONES[line.tone])
    return text
