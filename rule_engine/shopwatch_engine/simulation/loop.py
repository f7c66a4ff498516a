"""An asyncio loop with virtual time and a seeded order.

Time stands still while anything can run and jumps to the next timer when nothing can. What is ready at
one moment runs in an order that the seed chooses. So a seed reproduces a run to the last step, and a
simulated hour takes as long as its work.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_T = TypeVar("_T")


class Stalled(RuntimeError):  # noqa: N818 - reads as the state it reports
    """Nothing can run and no timer is set: the simulated program waits for ever."""


class _JumpingSelector(selectors.BaseSelector):
    """A selector that lets virtual time pass instead of waiting. Only the loop's own pipe is registered."""

    def __init__(self) -> None:
        self.now = 0.0
        self._files: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:  # noqa: ANN401 - the base's
        """Remember a file; nothing ever arrives on it."""
        key = selectors.SelectorKey(fileobj, fileobj, events, data)  # asyncio registers descriptors
        self._files[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:  # noqa: ANN401 - the base's
        """Forget a file."""
        return self._files.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump by ``timeout`` seconds."""
        if timeout is None:
            raise Stalled("nothing can run and no timer is set")
        self.now += max(timeout, 0.0)
        return []

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        """The files that are registered."""
        return self._files


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; ``seed`` chooses the order of what is ready at one moment."""

    RESOLUTION_S: Final = 1e-6

    def __init__(self, seed: int) -> None:
        self._virtual = _JumpingSelector()
        self._order = random.Random(seed)  # noqa: S311 - a reproducible order is the point
        super().__init__(self._virtual)
        self._clock_resolution = self.RESOLUTION_S

    def time(self) -> float:
        """Virtual seconds since the loop began."""
        return self._virtual.now

    def _run_once(self) -> None:
        self._order.shuffle(self._ready)  # type: ignore[attr-defined] # asyncio's own queue, not typed
        super()._run_once()  # type: ignore[misc] # asyncio's own step; it has no public name


def run_virtually(main: Coroutine[Any, Any, _T], *, seed: int) -> _T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(seed)) as runner:
        return runner.run(main)
