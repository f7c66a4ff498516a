"""A pager's own few threads, for clients that block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shopwatch_engine.exceptions import PagerError


class PagerThreads:
    """Runs blocking sends, at most ``count`` at once, so that one pager that hangs holds up no other.

    Args:
        vendor: named in errors and in the threads' names.
        count: how many sends may run at once; more of them wait in line.
        patience_s: seconds after which a send is given up, in line or running.
    """

    def __init__(self, vendor: str, *, count: int, patience_s: float) -> None:
        self._vendor = vendor
        self._patience_s = patience_s
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix=f"pager-{vendor.lower()}")

    async def run(self, send: Callable[[], None]) -> None:
        """Run one send to its end.

        Raises:
            PagerError: as ``send`` does; or the send was given up, or the pager is closed.
        """
        try:
            future = self._pool.submit(send)
        except RuntimeError:
            raise PagerError(f"the pager for {self._vendor} is closed", retry=True) from None
        try:
            await asyncio.wait_for(asyncio.wrap_future(future), self._patience_s)
        except TimeoutError:
            raise PagerError(
                f"{self._vendor} kept a page waiting for more than {self._patience_s:g} s", retry=True
            ) from None

    async def close(self) -> None:
        """Let running sends end (their time-outs bound it), drop those in line, end the threads."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
