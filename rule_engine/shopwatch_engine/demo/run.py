"""The demo from its first process to its last: a work folder, a stage, a show, and a verdict."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from shopwatch_engine.clock import Clock
from shopwatch_engine.demo import prometheus
from shopwatch_engine.demo.addresses import free_ports
from shopwatch_engine.demo.eyes import Eyes
from shopwatch_engine.demo.play import Play
from shopwatch_engine.demo.processes import Crew, ProcessEnded
from shopwatch_engine.demo.scenes import Pace, turns_of
from shopwatch_engine.demo.screen import Screen
from shopwatch_engine.demo.shop import DemoError, plain_environ, read_shop
from shopwatch_engine.demo.show import Show, ShowFailed
from shopwatch_engine.demo.stage import ENGINE, SANDBOX, Stage, process_names
from shopwatch_engine.demo.story import Line, Tone
from shopwatch_engine.demo.verdict import Verdict, judge
from shopwatch_engine.servers import FoundServer

CRASH_IN: Final = "bad-release"
"""The fault in whose turn the engine is killed."""
_STAGES: Final = 3  # tries, when somebody takes a port that was free a moment before


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person asked for.

    ``folder`` holds the work folder, the system's for temporary files if it is not given;
    ``choose_ports`` gives a free port for each name.
    """

    shop: Path
    rules: Path
    speed: float = 15.0
    pace: Pace = Pace()  # noqa: RUF009 - frozen
    folder: Path | None = None
    choose_ports: Callable[[Iterable[str]], Mapping[str, int]] = free_ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it, and where everything is while it still runs."""

    verdict: Verdict
    play: Play
    work: Path
    addresses: Mapping[str, str]


Epilogue = Callable[[Outcome], Awaitable[None]]
"""What happens between the verdict and the end of the processes."""


async def run_demo(
    options: Options,
    found: FoundServer,
    *,
    environ: Mapping[str, str],
    screen: Screen,
    clock: Clock,
    epilogue: Epilogue,
) -> Outcome:
    """Run the demo; when this returns or raises, none of its processes is left.

    The work folder with the logs is kept if something went wrong, and removed if not.

    Raises:
        DemoError: the stage could not be set.
        ProcessEnded: a process ended while the stage was set.
    """
    began_at = clock.now()
    plain = plain_environ(environ)
    shop = await asyncio.to_thread(read_shop, options.shop, environ)
    async with aiohttp.ClientSession() as session:
        for left in reversed(range(_STAGES)):
            work = Path(tempfile.mkdtemp(prefix="shopwatch-demo-", dir=options.folder))
            ports = options.choose_ports(process_names(shop))
            stage = Stage(work=work, shop=shop, found=found, speed=options.speed, ports=ports, environ=plain)
            _written(stage, options.rules)
            try:
                return await _whole(_show(stage, session, screen, clock, options.pace), began_at, epilogue)
            except ProcessEnded as error:
                if not (error.address_taken and left):
                    raise
                text = f"{error.name} found its port taken: once more, on others"
                screen.tell(Line(at=clock.now(), subject="", text=text, tone=Tone.WARNING))
                _remove(work)
    raise AssertionError("the last try returns or raises")


def _written(stage: Stage, rules: Path) -> None:
    try:
        stage.write(rules)
    except DemoError:
        _remove(stage.work)  # nothing ran, so nobody needs it
        raise


def _show(stage: Stage, session: aiohttp.ClientSession, screen: Screen, clock: Clock, pace: Pace) -> Show:
    return Show(
        stage=stage,
        crew=Crew(stage.logs),
        eyes=Eyes(
            session=session,
            engine=stage.url(ENGINE),
            sandbox=stage.url(SANDBOX),
            prometheus=stage.url(prometheus.NAME),
        ),
        screen=screen,
        clock=clock,
        pace=pace,
        play=Play(turns=turns_of(stage.shop.faults, crash_in=CRASH_IN)),
    )


async def _whole(show: Show, began_at: float, epilogue: Epilogue) -> Outcome:
    """From the first process to the last."""
    is_done_with = False  # whether nobody needs the logs
    try:
        await show.set_up()
        outcome = await _performed(show, began_at)
        is_done_with = outcome.verdict.is_good
        await epilogue(outcome)
    except asyncio.CancelledError:
        is_done_with = True
        raise
    finally:
        await show.crew.close()
        if is_done_with:
            _remove(show.stage.work)
    return outcome


def _remove(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)


async def _performed(show: Show, began_at: float) -> Outcome:
    trouble = ""
    try:
        await show.perform()
    except (ShowFailed, ProcessEnded) as error:
        trouble = str(error)
    stage = show.stage
    return Outcome(
        verdict=judge(show.play, seconds=show.clock.now() - began_at, trouble=trouble),
        play=show.play,
        work=stage.work,
        addresses={
            "pages": f"{stage.url(SANDBOX)}/",
            "Prometheus": f"{stage.url(prometheus.NAME)}/",
            "engine": f"{stage.url(ENGINE)}/api/v1/incidents",
            "gateway": f"{stage.url('gateway')}/products",
        },
    )
