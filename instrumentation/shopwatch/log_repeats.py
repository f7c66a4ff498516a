"""How often lines alike may be logged, and how many were held back. Reads no clock."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 60.0
_MOST: Final = 1_024  # kinds of lines that are told apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Lines alike that were held back within one window."""

    logger: str
    level: int
    example: str
    count: int


class _Window:
    __slots__ = ("began", "count", "kind")

    def __init__(self, kind: tuple[object, ...], began: float) -> None:
        self.kind = kind
        self.began = began
        self.count = 0


class Repeats:
    """Lets the first lines of a kind in a window pass, and tells at its end how many did not.

    Args:
        most: lines of a kind in a window of ``WINDOW_S``.
        held_back: told the severity of each line that does not pass.
    """

    def __init__(self, most: int, held_back: Callable[[str], None]) -> None:
        self._most = most
        self._held_back = held_back
        self._windows: OrderedDict[tuple[object, ...], _Window] = OrderedDict()
        self._lock = threading.RLock()

    def passes(self, kind: tuple[object, ...], severity: str, now: float) -> tuple[bool, tuple[Held, ...]]:
        """Whether a line may pass, and what has to be told before it.

        Args:
            kind: logger, level, text before its arguments, and whatever else tells lines apart.
            severity: for the count.
            now: seconds of a clock that does not step.
        """
        with self._lock:
            told = self._over(now)
            window = self._windows.get(kind)
            if window is None:
                window = self._windows[kind] = _Window(kind, now)
                if len(self._windows) > _MOST:
                    told = (*told, *_held(self._windows.popitem(last=False)[1], self._most))
            window.count += 1
            passes = window.count <= self._most
        if not passes:
            self._held_back(severity)
        return passes, told

    def close(self) -> tuple[Held, ...]:
        """What was held back and not told yet."""
        with self._lock:
            told = tuple(held for window in self._windows.values() for held in _held(window, self._most))
            self._windows.clear()
            return told

    def _over(self, now: float) -> tuple[Held, ...]:
        """Close the windows that are over: those that began first stand first."""
        told: tuple[Held, ...] = ()
        while self._windows:
            first = next(iter(self._windows.values()))
            if now - first.began < WINDOW_S:
                break
            del self._windows[first.kind]
            told = (*told, *_held(first, self._most))
        return told


def _held(window: _Window, most: int) -> tuple[Held, ...]:
    if window.count <= most:
        return ()
    logger, level, text = window.kind[:3]
    return (
        Held(
            logger=str(logger),
            level=level if isinstance(level, int) else logging.INFO,
            example=text if isinstance(text, str) else "",
            count=window.count - most,
        ),
    )
