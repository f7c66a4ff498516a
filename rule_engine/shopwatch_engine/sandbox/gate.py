"""What every request to a pager passes first: its fault and its rate limit.

A gate answers in the pager's place, holds a request, cuts its connection, or lets it through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from shopwatch_engine.sandbox.faults import Fault, Mode
from shopwatch_engine.sandbox.rate import Bucket

HOLD_S: Final = 60.0
"""Seconds that a hanging pager holds a request at most; then it cuts the connection."""

Cut = Callable[[tuple[str, int] | None], None]
"""Closes a client's connection without an answer."""


class Gate:
    """One pager's fault and rate limit.

    Args:
        per_minute: requests that it takes a minute; 0: as many as come.
        clock: the time, seconds since the epoch.
        cut: closes a connection without an answer, by the client's address.
    """

    def __init__(self, *, per_minute: int, clock: Callable[[], float], cut: Cut) -> None:
        self._clock = clock
        self._cut = cut
        self._bucket = Bucket.full(per_minute, clock())
        self._changed = asyncio.Event()
        self.fault = Fault()

    def set(self, fault: Fault) -> None:
        """Behave so from now on; requests that are held look again."""
        self.fault = fault
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def within_limit(self) -> bool:
        """Whether the rate limit lets one more request pass."""
        self._bucket, passes = self._bucket.take(self._clock())
        return passes

    async def wait(self, request: Request, hold: Callable[[], None]) -> bool:
        """Whether the request may go on; False if its connection is gone (cut here, or by the client).

        Args:
            request: its body must have been read.
            hold: called once, when the request is held.
        """
        if self.fault.mode is Mode.HANG:
            hold()
        while self.fault.mode is Mode.HANG:
            if await self._is_lost(request):
                self._cut(request.scope["client"])
                return False
        if self.fault.mode is Mode.RESET:
            self._cut(request.scope["client"])
            return False
        return True

    async def _is_lost(self, request: Request) -> bool:
        """Wait for a change of the fault; True if the client leaves, or a minute passes, before."""
        change = asyncio.ensure_future(self._changed.wait())
        leave = asyncio.ensure_future(_disconnected(request))
        try:
            done, _ = await asyncio.wait({change, leave}, timeout=HOLD_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
            leave.cancel()
        return leave in done or not done


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
