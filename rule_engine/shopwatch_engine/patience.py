"""Asking a busy store again, within a bound, and stopping clearly when it stays so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shopwatch_engine.exceptions import StoreBusy, StoreFailed
from shopwatch_engine.metrics import EngineMetrics

LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Patience:
    """How long, and how often, a busy store is asked again.

    Args:
        metrics: counts what is tried again.
        pause_s: seconds between two tries.
        give_up_s: seconds after which the engine stops rather than go on without its memory.
    """

    def __init__(self, metrics: EngineMetrics, *, pause_s: float = 0.5, give_up_s: float = 60.0) -> None:
        self._metrics = metrics
        self._pause_s = pause_s
        self._tries = max(int(give_up_s / pause_s), 1)
        self._give_up_s = give_up_s

    async def __call__(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """The answer, once the store gives it. What is owed stands in the store: waiting loses nothing.

        Raises:
            StoreFailed: it stayed busy for ``give_up_s``.
        """
        reason = ""
        for _ in range(self._tries):
            try:
                return await ask()
            except StoreBusy as error:
                reason = str(error)
                LOG.warning("store busy, trying again in %.1f s: %s", self._pause_s, reason)
                self._metrics.store_retried()
                await asyncio.sleep(self._pause_s)
        raise StoreFailed(
            f"{reason}; still so after {self._give_up_s:.0f} s, so the engine stops with nothing lost: "
            "free the disk or end what holds the database, then start it again"
        )
