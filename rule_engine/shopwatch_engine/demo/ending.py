"""What is said at the end: the table, the verdict, and where to look on."""

from __future__ import annotations

import asyncio
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console
from rich.text import Text

from shopwatch_engine.demo.run import Outcome
from shopwatch_engine.demo.screen import Screen, verdict_table
from shopwatch_engine.demo.story import counted
from shopwatch_engine.demo.verdict import Verdict

_SVG_WIDTH: Final = 110
_SVG_HEIGHT: Final = 34
_WEB_FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # a picture asks no server for anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Says how it ended; and, if asked to, keeps everything running until told to leave.

    Args:
        console: where it is said.
        screen: what was shown until then; it is closed first.
        keep: whether to wait for ``leave``.
        json_to: where the result goes as JSON, if anywhere.
        svg: the file into which the last screen is drawn, if any.
    """

    console: Console
    screen: Screen
    keep: bool = False
    json_to: TextIO | None = None
    svg: Path | None = None
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, outcome: Outcome) -> None:
        """Say it; returns at once, or with ``keep`` once told to leave."""
        if self.svg is not None:
            await asyncio.to_thread(self._draw, outcome, self.svg)
        self.screen.close()
        self.console.print()
        self._say(self.console, outcome)
        if self.json_to is not None:
            self.json_to.write(json.dumps(_as_json(outcome)) + "\n")
            self.json_to.flush()
        if self.keep:
            await self._stay(outcome)

    def leave(self) -> bool:
        """Stop keeping everything running; False if that is not what it does now."""
        if not self._waiting.is_set() or self._leaving.is_set():
            return False
        self._leaving.set()
        return True

    async def _stay(self, outcome: Outcome) -> None:
        self.console.print()
        for name, address in outcome.addresses.items():
            self.console.print(Text(f"  {name:<12}{address}"), soft_wrap=True)
        self.console.print("Everything goes on running. Ctrl-C ends it.")
        self._waiting.set()
        await self._leaving.wait()

    def _say(self, console: Console, outcome: Outcome) -> None:
        verdict = outcome.verdict
        console.print(verdict_table(verdict, width=console.width))
        console.print()
        for failure in verdict.failures:
            console.print(Text(f"FAILED  {failure}", style="bold red"), soft_wrap=True)
        console.print(_summary(verdict), soft_wrap=True)
        if not verdict.is_good:
            console.print(Text(f"Logs and databases are kept in {outcome.work}"), soft_wrap=True)

    def _draw(self, outcome: Outcome, path: Path) -> None:
        drawing = Console(
            record=True, file=io.StringIO(), width=_SVG_WIDTH, color_system="truecolor", force_terminal=True
        )
        drawing.print(self.screen.last_picture(width=_SVG_WIDTH, height=_SVG_HEIGHT))
        drawing.print()
        drawing.print(_summary(outcome.verdict))
        svg = drawing.export_svg(title="shopwatch demo", unique_id="demo")
        path.write_text(_WEB_FONT.sub("", svg), encoding="utf-8")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    kept = {} if outcome.verdict.is_good else {"work": str(outcome.work)}
    return {**outcome.verdict.as_json(), "addresses": dict(outcome.addresses), **kept}


def _summary(verdict: Verdict) -> Text:
    if not verdict.is_good:
        return Text(f"{counted(len(verdict.failures), 'expectation')} failed.", style="bold red")
    told = (
        f"{counted(len({row.fault for row in verdict.rows}), 'fault')}, {counted(len(verdict.rows), 'page')}"
    )
    said = f"{told}: each once, with evidence, resolved. No other page. {verdict.seconds:.0f} s."
    return Text(said, style="bold green")
