"""Whether the service is ready: its named checks, each with a time to answer, and how long that holds."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

Check = Callable[[], bool | Awaitable[bool]]

CHECK_TIMEOUT_S: Final = 1.0
OK: Final = "ok"
FAILED: Final = "failed"
TIMED_OUT: Final = "timed out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the checks said: ``ok``, ``failed``, ``timed out`` or ``error: <type of the exception>``."""

    checks: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each check took."""

    @property
    def ready(self) -> bool:
        """Whether every check passed."""
        return all(result == OK for result in self.checks.values())


def _unreported(said: Readiness) -> None:
    """Nobody wants to know."""


class ReadinessProbe:
    """Runs the checks side by side; plain functions in threads, so that none holds up the event loop.

    A check that has not come back from an earlier probe is not started again: checks that hang would
    otherwise use up the service's threads, one for each probe. What the checks said holds for a while, so
    that many who ask cost the database and the others no more than one.

    Args:
        checks: by name; each returns or awaits whether its part is ready.
        timeout_s: seconds that each may take.
        ttl_s: seconds for which their answers hold.
        report: told of every answer that is new.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        timeout_s: float = CHECK_TIMEOUT_S,
        *,
        ttl_s: float = 0.0,
        report: Callable[[Readiness], None] = _unreported,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = dict(checks)
        self._timeout_s = timeout_s
        self._ttl_s = ttl_s
        self._report = report
        self._clock = clock
        self._said: tuple[float, Readiness] | None = None
        self._seconds: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[bool]] = {}
        self._threads: dict[str, Future[bool]] = {}
        self._lock = threading.Lock()

    async def __call__(self) -> Readiness:
        """Run every check once, unless what they said still holds."""
        known = self._known()
        if known is not None:
            return known
        results = await asyncio.gather(*(self._result(name) for name in self._checks))
        return self._now(dict(zip(self._checks, results, strict=True)))

    def blocking(self) -> Readiness:
        """As a call, with the checks in threads, for who has no event loop."""
        known = self._known()
        if known is not None:
            return known
        deadline = time.monotonic() + self._timeout_s
        running = {name: self._in_thread(name) for name in self._checks}
        return self._now({name: _result_of(run, deadline) for name, run in running.items()})

    def _known(self) -> Readiness | None:
        said = self._said
        return said[1] if said is not None and self._clock() - said[0] < self._ttl_s else None

    def _now(self, checks: Mapping[str, str]) -> Readiness:
        late = {name: self._timeout_s for name, result in checks.items() if result == TIMED_OUT}
        said = Readiness(checks=checks, seconds={**self._seconds, **late})
        self._said = (self._clock(), said)
        self._report(said)
        return said

    def _took(self, name: str, started: float) -> None:
        self._seconds[name] = self._clock() - started

    def _in_thread(self, name: str) -> Future[bool]:
        """The check's run: the one that has not come back yet, else a new one."""
        with self._lock:
            known = self._threads.get(name)
            if known is not None and not known.done():
                return known
            run = self._threads[name] = Future()
        started = self._clock()
        run.add_done_callback(lambda _: self._took(name, started))
        thread = threading.Thread(target=_settle, args=(run, self._checks[name]), daemon=True)
        thread.start()
        return run

    async def _result(self, name: str) -> str:
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(_run(self._checks[name]))
            started = self._clock()
            task.add_done_callback(lambda _: self._took(name, started))
            task.add_done_callback(lambda done: self._finished(name, done))
        await asyncio.wait((task,), timeout=self._timeout_s)
        if not task.done():
            return TIMED_OUT
        if task.cancelled():
            return FAILED
        error = task.exception()
        if error is not None:
            return f"error: {type(error).__name__}"  # not its message: that may hold a secret
        return OK if task.result() else FAILED

    def _finished(self, name: str, task: asyncio.Task[bool]) -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            task.exception()  # asked for, so that asyncio does not complain of one that nobody waits for


def _settle(run: Future[bool], check: Check) -> None:
    try:
        result = check()
        run.set_result(bool(asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result))
    except BaseException as error:  # noqa: BLE001 - whatever a check raises is its result
        run.set_exception(error)


async def _awaited(result: Awaitable[bool]) -> bool:
    return await result


def _result_of(run: Future[bool], deadline: float) -> str:
    try:
        error = run.exception(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return TIMED_OUT
    if error is not None:
        return f"error: {type(error).__name__}"  # not its message: that may hold a secret
    return OK if run.result() else FAILED


async def _run(check: Check) -> bool:
    result = check() if inspect.iscoroutinefunction(check) else await asyncio.to_thread(check)
    return bool(await result if inspect.isawaitable(result) else result)
