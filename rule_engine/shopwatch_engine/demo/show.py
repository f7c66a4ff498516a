"""The run: sets the stage, breaks and repairs the shop, looks at what follows, and says what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shopwatch import catalogue
from shopwatch_engine.clock import Clock
from shopwatch_engine.demo.eyes import TROUBLE, Eyes
from shopwatch_engine.demo.play import PAGERS, Fault, Play, Turn, observed
from shopwatch_engine.demo.processes import Crew
from shopwatch_engine.demo.scenes import Deed, Move, Pace, next_move, overdue
from shopwatch_engine.demo.screen import Screen
from shopwatch_engine.demo.shop import DemoError
from shopwatch_engine.demo.stage import ATTACK, ENGINE, Stage
from shopwatch_engine.demo.story import Line, Tone, news

_LOOK_S = 0.2
_READY_S = 60.0
_WARM_S = 45.0
_CALM_S = 20.0
_PLACED = f"sum(increase({catalogue.ORDERS.prometheus_name}{{shopwatch_outcome='placed'}}[10s]))"


class ShowFailed(DemoError):  # noqa: N818 - reads as the state it reports
    """Something did not happen in time; the message says what."""


@dataclass(kw_only=True)
class Show:
    """One run on one stage.

    Args:
        stage: where everything is.
        crew: its processes.
        eyes: look at them.
        screen: shows it.
        clock: tells the time.
        pace: how long each step may take.
        play: what is to be played.
    """

    stage: Stage
    crew: Crew
    eyes: Eyes
    screen: Screen
    clock: Clock
    pace: Pace
    play: Play

    # ---------------------------------------------------------------- the stage
    async def set_up(self) -> None:
        """Start everything, and wait until the shop sells and the engine watches.

        Raises:
            ProcessEnded: a process ended.
            ShowFailed: something was not ready in time.
        """
        found = self.stage.found
        self._tell(f"starting {found.name} {found.version} (from {found.origin}) and the shop")
        servers = self.stage.servers()
        for command in servers:
            self.crew.start(command)
        await self._ready(*(command.name for command in servers))
        self._tell(
            f"the shop, the collector, Prometheus and the pagers' sandbox are up: {self.stage.url('gateway')}"
        )
        self.crew.start(self.stage.load())
        await self._until(self._sells, _WARM_S, lambda: "the shop to sell, as Prometheus sees it")
        self._tell("customers buy; the engine starts")
        await self._start_engine()
        self._tell(f"the engine watches, {self.stage.speed:g} times as fast as in production")

    async def _ready(self, *names: str) -> None:
        waiting = list(names)

        async def all_are() -> bool:
            while waiting and await self.eyes.is_ready(self.stage.readiness(waiting[-1])):
                waiting.pop()
            return not waiting

        await self._until(all_are, _READY_S, lambda: f"{', '.join(waiting)} to be ready")

    async def _sells(self) -> bool:
        try:
            targets = await self.eyes.value("count(up == 1)")
            return targets > len(self.stage.shop.services) and await self.eyes.value(_PLACED) > 1
        except TROUBLE:
            return False

    async def _start_engine(self) -> None:
        self.crew.start(self.stage.engine())
        await self._ready(ENGINE)

    async def _until(
        self, condition: Callable[[], Awaitable[bool]], within_s: float, what: Callable[[], str]
    ) -> None:
        """Wait for a condition, with all processes alive.

        Raises:
            ProcessEnded: a process ended meanwhile.
            ShowFailed: it did not come true in time.
        """
        deadline = self.clock.now() + within_s
        while not await condition():
            self.crew.check()
            if self.clock.now() > deadline:
                raise ShowFailed(f"waited {within_s:g} s for {what()}")
            self.screen.show(self.play, now=self.clock.now())
            await asyncio.sleep(_LOOK_S)

    # ---------------------------------------------------------------- the play
    async def perform(self) -> None:
        """Play all turns, then wait until nothing fires and nothing is owed.

        Raises:
            ProcessEnded: a process ended.
            ShowFailed: a step took too long, or somebody was paged for nothing.
        """
        ends_at = self.clock.now() + self.pace.in_all_s
        while not all(turn.is_resolved for turn in self.play.turns):
            await self._look()
            self._check(ends_at)
            if move := next_move(self.play):
                await self._do(move)
            for turn in self.play.turns:
                if turn.is_crash and turn.is_broken:
                    await self._crash(turn)
            await asyncio.sleep(_LOOK_S)
        await self._until(self._is_calm, _CALM_S, lambda: "all alerts to end and all pages to be delivered")
        self.screen.show(self.play, now=self.clock.now())

    async def _look(self) -> None:
        """See what changed, and tell it."""
        try:
            alerts = () if self._engine_is_dead else await self.eyes.alerts()
            pages = await self.eyes.pages()
        except TROUBLE as error:
            self.crew.check()
            self._tell(f"a look at engine and sandbox failed: {type(error).__name__}: {error}", Tone.WARNING)
            return
        self._enter(observed(self.play, alerts, pages, now=self.clock.now()))

    def _check(self, ends_at: float) -> None:
        self.crew.check()
        now = self.clock.now()
        if late := overdue(self.play, self.pace, now=now):
            raise ShowFailed(late)
        if self.play.strangers:
            raise ShowFailed("somebody was paged for nothing")
        if now > ends_at:
            raise ShowFailed(f"not over after {self.pace.in_all_s:g} s")

    async def _is_calm(self) -> bool:
        await self._look()
        try:
            return not self.play.alerts and not await self.eyes.debts()
        except TROUBLE:
            return False

    async def _do(self, move: Move) -> None:
        fault = move.turn.fault
        now = self.clock.now()
        await self._switch(fault, on=move.deed is Deed.BREAK)
        times = {"broken_at": now} if move.deed is Deed.BREAK else {"repaired_at": self.clock.now()}
        self._enter(self.play.changed(fault.name, **times))

    async def _switch(self, fault: Fault, *, on: bool) -> None:
        process = self.stage.process_of(fault)
        if fault.mechanism == "http":
            await self.eyes.switch(self.stage.switch(fault), on=on)
        elif fault.mechanism == "crash":
            self._kill(process) if on else self.crew.start(self.stage.service(process))
        elif on:
            self.crew.start(self.stage.load(attack=True))
        else:
            await self.crew.stop(ATTACK)

    def _kill(self, name: str) -> None:
        self.crew[name].kill()
        self.crew.forget(name)

    # ---------------------------------------------------------------- the crash
    @property
    def _engine_is_dead(self) -> bool:
        return any(turn.killed_at is not None and turn.restarted_at is None for turn in self.play.turns)

    async def _crash(self, turn: Turn) -> None:
        """One step of the scene of the crash, if it is due.

        The pagers hang from the moment that the alert is pending. Once both hold a request and the engine
        owes both pages, it is killed; the pagers recover when the dead engine's connections are gone.
        """
        name = turn.fault.name
        if turn.killed_at is None and turn.pending_at is not None and not turn.pages:
            await self.eyes.behave("hang")
            if turn.firing_at is not None and await self._pages_are_held(turn):
                self._kill(ENGINE)
                self._enter(self.play.changed(name, killed_at=self.clock.now()))
        elif turn.killed_at is not None and turn.restarted_at is None and not await self.eyes.held_at():
            await self.eyes.behave("ok")
            self._enter(self.play.changed(name, restarted_at=self.clock.now()))
            await self._start_engine()

    async def _pages_are_held(self, turn: Turn) -> bool:
        wanted = frozenset(PAGERS)
        return await self.eyes.owed(turn.fault.alert) >= wanted and await self.eyes.held_at() >= wanted

    # ---------------------------------------------------------------- telling
    def _enter(self, play: Play) -> None:
        now = self.clock.now()
        for line in news(self.play, play, now=now):
            self.screen.tell(line)
        self.play = play
        self.screen.show(play, now=now)

    def _tell(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        self.screen.tell(Line(at=self.clock.now(), subject="", text=text, tone=tone))
