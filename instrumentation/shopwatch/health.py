"""Whether the service is ready: its named checks, each with a second to answer."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
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

    @property
    def ready(self) -> bool:
        """Whether every check passed."""
        return all(result == OK for result in self.checks.values())


class ReadinessProbe:
    """Runs the checks side by side; plain functions in threads, so that none holds up the event loop.

    A check that has not come back from an earlier probe is not started again: checks that hang would
    otherwise use up the service's threads, one for each probe.

    Args:
        checks: by name; each returns or awaits whether its part is ready.
        timeout_s: seconds that each may take.
    """

    def __init__(self, checks: Mapping[str, Check], timeout_s: float = CHECK_TIMEOUT_S) -> None:
        self._checks = dict(checks)
        self._timeout_s = timeout_s
        self._running: dict[str, asyncio.Task[bool]] = {}
        self._threads: dict[str, Future[bool]] = {}
        self._lock = threading.Lock()

    async def __call__(self) -> Readiness:
        """Run every check once."""
        results = await asyncio.gather(*(self._result(name) for name in self._checks))
        return Readiness(checks=dict(zip(self._checks, results, strict=True)))

    def blocking(self) -> Readiness:
        """Run every check once, in threads, for who has no event loop."""
        deadline = time.monotonic() + self._timeout_s
        running = {name: self._in_thread(name) for name in self._checks}
        return Readiness(checks={name: _result_of(run, deadline) for name, run in running.items()})

    def _in_thread(self, name: str) -> Future[bool]:
        """The check's run: the one that has not come back yet, else a new one."""
        with self._lock:
            known = self._threads.get(name)
            if known is not None and not known.done():
                return known
            run = self._threads[name] = Future()
        thread = threading.Thread(target=_settle, args=(run, self._checks[name]), daemon=True)
        thread.start()
        return run

    async def _result(self, name: str) -> str:
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(_run(self._checks[name]))
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
