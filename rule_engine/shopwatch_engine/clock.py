"""The clock as a port, so that the same code runs live, in scenarios and in simulations."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the wall-clock time. Waiting is asyncio's, which a simulation replaces as a whole."""

    def now(self) -> float:
        """The time in seconds since the Unix epoch."""
        ...


class SystemClock:
    """The machine's own wall clock."""

    def now(self) -> float:
        """The time in seconds since the Unix epoch."""
        return time.time()
