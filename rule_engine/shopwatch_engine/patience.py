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
        give_up_s: seconds (of the running loop's clock, which the store's own waiting counts towards)
            after which the engine stops rather than go on without its memory.
    """

    def __init__(self, metrics: EngineMetrics, *, pause_s: float = 0.5, give_up_s: float = 60.0) -> None:
        self._metrics = metrics
        self._pause_s = pause_s
        self._give_up_s = give_up_s

    async def __call__(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """The answer, once the store gives it. What is owed stands in the store: waiting loses nothing.

        Raises:
            StoreFailed: it stayed busy for ``give_up_s``.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._give_up_s
        while True:
            try:
                return await ask()
            except StoreBusy as error:
                if loop.time() + self._pause_s > give_up_at:
                    raise self._lost(error) from error
                LOG.warning("store busy, trying again in %.1f s: %s", self._pause_s, error)
                self._metrics.store_retried()
                await asyncio.sleep(self._pause_s)

    def _lost(self, error: StoreBusy) -> StoreFailed:
        return StoreFailed(
            f"{error}; still so after {self._give_up_s:.0f} s, so the engine stops with nothing lost: "
            "free the disk or end what holds the database, then start it again"
        )
