"""``shopwatch demo``: a shop is broken on purpose, and the pages go out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from shopwatch_engine.clock import SystemClock
from shopwatch_engine.demo.ending import Ending
from shopwatch_engine.demo.run import Options, Outcome, run_demo
from shopwatch_engine.demo.screen import LiveScreen, PlainScreen
from shopwatch_engine.exceptions import EngineError
from shopwatch_engine.servers import FoundServer, find

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PLAIN_WIDTH: Final = 120


def demo(
    shop: Annotated[Path, typer.Option(help="Folder of the demo shop.")] = Path("examples/shop"),
    rules: Annotated[Path, typer.Option(help="Folder of the alert rules and of routing.yml.")] = Path(
        "alert_rules"
    ),
    speed: Annotated[
        float, typer.Option(min=1, max=15, help="How many times faster than the rules say.")
    ] = 15.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The result as JSON on stdout, all else on stderr.")
    ] = False,
    save_svg: Annotated[Path | None, typer.Option(hidden=True, help="Draw the last screen.")] = None,
) -> None:
    """Break a shop on purpose, one fault after another, and watch the pages go out.

    Starts a real Prometheus, the shop, a collector, a sandbox of the pagers and the engine, on free ports of
    this machine. Exits 0 when each fault ended in exactly its page at both pagers, resolved, with evidence,
    and nothing else paged.
    """
    console = _console(to_stderr=as_json)
    options = Options(shop=shop, rules=rules, speed=speed)
    clock = SystemClock()
    try:
        found = find("prometheus", environ=os.environ, binaries=("prometheus",))
        kind = LiveScreen if console.is_terminal else PlainScreen
        with contextlib.closing(kind(console, began_at=clock.now())) as screen:
            ending = Ending(
                console=console,
                screen=screen,
                keep=keep,
                json_to=sys.stdout if as_json else None,
                svg=save_svg,
            )
            code = asyncio.run(_played(options, found, ending, clock))
    except EngineError as error:
        typer.echo(f"demo: {error}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(code)


async def _played(options: Options, found: FoundServer, ending: Ending, clock: SystemClock) -> int:
    """Run it until it is over or a signal comes; the exit status."""
    run = run_demo(options, found, environ=os.environ, screen=ending.screen, clock=clock, epilogue=ending)
    outcome = await _unless_signalled(run, ending)
    if isinstance(outcome, signal.Signals):
        typer.echo(f"demo: ended by {outcome.name}", err=True)
        return 128 + outcome
    return 0 if outcome.verdict.is_good else 1


async def _unless_signalled(run: Coroutine[Any, Any, Outcome], ending: Ending) -> Outcome | signal.Signals:
    task = asyncio.ensure_future(run)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not ending.leave():
            received.append(number)
            task.cancel()

    for one in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(one, stop, one)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return received[0]


def _console(*, to_stderr: bool) -> Console:
    """Colours and movement for a person at a terminal; plain text for everything else."""
    file = sys.stderr if to_stderr else sys.stdout
    if file.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Console(file=file, highlight=False)
    return Console(file=file, highlight=False, force_terminal=False, color_system=None, width=_PLAIN_WIDTH)
