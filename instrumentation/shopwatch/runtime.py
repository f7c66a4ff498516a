"""What the process is at: its CPU time and memory, the garbage collector, event loops and thread pools.

The processes of a group each tell their own part every few seconds, and whoever is scraped tells the sum.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import sys
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from shopwatch import catalogue
from shopwatch.catalogue import Metric
from shopwatch.guard import Guard
from shopwatch.metrics import Instruments

EVERY_S: Final = 5.0
"""Between two looks at the process."""
LOOP_EVERY_S: Final = 0.25
"""Between two looks at an event loop."""
ASYNCIO: Final = "asyncio"
"""Name of an event loop's own pool of threads."""
ANYIO: Final = "anyio"
"""Name of the pool that Starlette and FastAPI run plain functions in."""
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = Path("/proc/self/fd")
_GENERATIONS: Final = 3


_Pool = tuple[float, float, float]
"""Threads at work, threads at most, work that waits."""


class _Limiter(Protocol):
    """What is used of anyio's limiter."""

    def statistics(self) -> Any:  # noqa: ANN401 - anyio's own
        """How many threads are in use, and who waits."""
        ...


class Runtime:
    """Watches one process, and after a fork the child as well.

    Args:
        instruments: what is recorded with.
        guard: takes what goes wrong.
        resource: resource attributes, for the revision.
    """

    def __init__(self, instruments: Instruments, guard: Guard, resource: Mapping[str, str]) -> None:
        self._instruments = instruments
        self._guard = guard
        self._pauses = _Pauses(instruments)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._set(catalogue.BUILD_INFO, 1, resource.get(catalogue.REVISION, ""), *_interpreter())
        gc.callbacks.append(self._pauses)
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._cpu = (0.0, 0.0)  # of a child: from its own start on
        if self._ended.is_set():
            return
        self._set(catalogue.PROCESSES, 1)
        self.sample()
        threading.Thread(target=self._run, name="shopwatch-runtime", daemon=True).start()

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.sample()

    def close(self) -> None:
        """Watch no more."""
        self._ended.set()
        if self._pauses in gc.callbacks:
            gc.callbacks.remove(self._pauses)

    def sample(self) -> None:
        """Look at the process now."""
        with self._guard.over("looking at the process"), self._lock:
            times = os.times()
            for mode, now, before in zip(("user", "system"), times[:2], self._cpu, strict=True):
                series = self._instruments.bound(catalogue.PROCESS_CPU_TIME).series((mode,))
                series.inc(max(0.0, now - before))
            self._cpu = (times.user, times.system)
            self._set(catalogue.PROCESS_THREADS, threading.active_count())
            if _STATM.exists():  # Linux
                pages = int(_STATM.read_text(encoding="ascii").split()[1])
                self._set(catalogue.PROCESS_MEMORY_USAGE, pages * os.sysconf("SC_PAGE_SIZE"))
                self._set(catalogue.PROCESS_FILE_DESCRIPTORS, len(os.listdir(_DESCRIPTORS)))  # noqa: PTH208 - its length alone
            self._pauses.tell()

    def _set(self, metric: Metric, value: float, *labels: str) -> None:
        self._instruments.bound(metric).series(labels).set(value)

    def follow(self, loop: AbstractEventLoop) -> None:
        """Watch an event loop, as long as it runs; called within it."""
        with self._guard.over("following an event loop"):
            _Loop(loop, self._instruments, self._guard, _anyio_limiter()).plan()


def _interpreter() -> tuple[str, str]:
    return sys.implementation.name, platform.python_version()


class _Pauses:
    """Called by the garbage collector: counts in numbers of its own, since nothing may be made there."""

    def __init__(self, instruments: Instruments) -> None:
        self._started = 0
        self._series = [
            tuple(
                instruments.bound(metric).series((str(generation),))
                for metric in (
                    catalogue.GC_COLLECTIONS,
                    catalogue.GC_COLLECTED,
                    catalogue.GC_UNCOLLECTABLE,
                    catalogue.GC_PAUSE,
                )
            )
            for generation in range(_GENERATIONS)
        ]
        self._told = [(0, 0, 0)] * _GENERATIONS

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._started = time.perf_counter_ns()
        elif self._started:
            seconds = (time.perf_counter_ns() - self._started) / 1e9
            self._series[info["generation"]][3].observe(seconds)

    def tell(self) -> None:
        """Bring the counters up to what the collector has counted."""
        for generation, stats in enumerate(gc.get_stats()[:_GENERATIONS]):
            now = (stats["collections"], stats["collected"], stats["uncollectable"])
            told = self._told[generation]
            for series, count, before in zip(self._series[generation], now, told, strict=False):
                series.inc(max(0, count - before))
            self._told[generation] = now


class _Loop:
    """Watches one event loop by planning itself again and again."""

    def __init__(
        self, loop: AbstractEventLoop, instruments: Instruments, guard: Guard, limiter: _Limiter | None
    ) -> None:
        self._loop = loop
        self._guard = guard
        self._limiter = limiter
        self._lag = instruments.bound(catalogue.LOOP_LAG).series(())
        self._pools = tuple(
            instruments.bound(metric)
            for metric in (
                catalogue.THREAD_POOL_USED,
                catalogue.THREAD_POOL_MAX,
                catalogue.THREAD_POOL_WAITING,
            )
        )
        self._due = 0.0

    def plan(self) -> None:
        """Come again."""
        self._due = self._loop.time() + LOOP_EVERY_S
        self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        with self._guard.over("looking at an event loop"):
            self._lag.observe(max(0.0, self._loop.time() - self._due))
            for name, numbers in _pools_of(self._loop, self._limiter):
                for metric, number in zip(self._pools, numbers, strict=True):
                    metric.series((name,)).set(number)
        self.plan()


def _pools_of(
    loop: AbstractEventLoop, limiter: _Limiter | None
) -> list[tuple[str, tuple[float, float, float]]]:
    """The pools of an event loop: threads at work, threads at most, work that waits."""
    found: list[tuple[str, tuple[float, float, float]]] = []
    executor = getattr(loop, "_default_executor", None)  # asyncio has no public way to it
    if executor is not None:
        waiting = executor._work_queue.qsize()  # noqa: SLF001 - as above
        idle = executor._idle_semaphore._value  # noqa: SLF001 - as above
        threads = len(executor._threads)  # noqa: SLF001 - as above
        found.append((ASYNCIO, (max(0, threads - idle), executor._max_workers, waiting)))  # noqa: SLF001
    if limiter is not None:
        says = limiter.statistics()
        found.append((ANYIO, (says.borrowed_tokens, says.total_tokens, says.tasks_waiting)))
    return found


def _anyio_limiter() -> _Limiter | None:
    """The limiter of anyio's threads, of this event loop; None where anyio is not in use."""
    to_thread = sys.modules.get("anyio.to_thread")
    if to_thread is None or asyncio.current_task() is None:
        return None
    limiter: Callable[[], _Limiter] = to_thread.current_default_thread_limiter
    return limiter()
