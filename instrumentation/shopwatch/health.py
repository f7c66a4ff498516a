"""Whether the service is ready: its named checks, each with a second to answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
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

    async def __call__(self) -> Readiness:
        """Run every check once."""
        results = await asyncio.gather(*(self._result(name) for name in self._checks))
        return Readiness(checks=dict(zip(self._checks, results, strict=True)))

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


async def _run(check: Check) -> bool:
    result = check() if inspect.iscoroutinefunction(check) else await asyncio.to_thread(check)
    return bool(await result if inspect.isawaitable(result) else result)
