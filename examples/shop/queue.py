"""The queue between services: a seam, and the implementation within the process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from shop.settings import SettingsError

MOST_WAITING: Final = 10_000


class QueueFull(Exception):  # noqa: N818 - reads as the state it reports
    """The queue takes no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A body in JSON, and headers that carry the trace."""

    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits: how many messages, and how many seconds the oldest has."""

    messages: int
    oldest_s: float


class Queue(Protocol):
    """Hands each message to one taker, oldest first, at most once."""

    @property
    def system(self) -> str:
        """``messaging.system`` of its spans and metrics."""
        ...

    def publish(self, message: Message) -> None:
        """Add a message.

        Raises:
            QueueFull: it was not taken.
        """
        ...

    def take(self, timeout_s: float) -> Message | None:
        """The oldest message; None when none came in time."""
        ...

    def backlog(self) -> Backlog:
        """What waits now."""
        ...


class MemoryQueue:
    """A queue within the process: what waits is gone when it ends."""

    system: Final = "memory"

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, limit: int = MOST_WAITING) -> None:
        self._clock = clock
        self._limit = limit
        self._waiting: deque[tuple[float, Message]] = deque()
        self._changed = threading.Condition()

    def publish(self, message: Message) -> None:
        """Add a message.

        Raises:
            QueueFull: too many wait.
        """
        with self._changed:
            if len(self._waiting) >= self._limit:
                raise QueueFull(f"{self._limit} messages wait already")
            self._waiting.append((self._clock(), message))
            self._changed.notify()

    def take(self, timeout_s: float) -> Message | None:
        """The oldest message; None when none came in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, timeout_s):
                return None
            return self._waiting.popleft()[1]

    def backlog(self) -> Backlog:
        """What waits now."""
        with self._changed:
            oldest_s = self._clock() - self._waiting[0][0] if self._waiting else 0.0
            return Backlog(messages=len(self._waiting), oldest_s=oldest_s)


def open_queue(url: str) -> Queue:
    """The queue at a URL.

    Raises:
        SettingsError: there is no queue of this scheme.
    """
    scheme = url.partition("://")[0]
    if scheme != "memory":
        raise SettingsError(f"SHOP_QUEUE_URL: no queue speaks {scheme!r}: expected memory://")
    return MemoryQueue()
