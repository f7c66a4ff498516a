"""The cache of a service: a seam, and the implementation within the process."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from shop.settings import SettingsError
from shopwatch import catalogue, record

_LOG: Final = logging.getLogger(__name__)


class Cache(Protocol):
    """Keeps texts for a while."""

    def get(self, key: str) -> str | None:
        """The text, or None when it is not, or no longer, there."""
        ...

    def put(self, key: str, text: str, ttl_s: float) -> None:
        """Keep a text for so many seconds."""
        ...


class MemoryCache:
    """A cache within the process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[str, float]] = {}

    def get(self, key: str) -> str | None:
        """The text, or None when it is not, or no longer, there."""
        text, until = self._entries.get(key, ("", 0.0))
        return text if until > self._clock() else None

    def put(self, key: str, text: str, ttl_s: float) -> None:
        """Keep a text for so many seconds."""
        self._entries[key] = (text, self._clock() + ttl_s)


class LosingCache:
    """A cache that loses everything while an event is set."""

    def __init__(self, inner: Cache, losing: threading.Event) -> None:
        self._inner = inner
        self._losing = losing

    def get(self, key: str) -> str | None:
        """The text, unless it is lost."""
        return None if self._losing.is_set() else self._inner.get(key)

    def put(self, key: str, text: str, ttl_s: float) -> None:
        """Keep a text, unless it is lost at once."""
        if not self._losing.is_set():
            self._inner.put(key, text, ttl_s)


class ReadThrough:
    """Answers from a cache, else from a source, and counts hits and misses.

    Times to live are spread by half, so that what was cached together does not expire together. An entry
    that is gone before its time is worth a warning: a cache that evicts is too small, or was restarted.

    Args:
        name: of the cache, in its metric.
        cache: where texts are kept.
        ttl_s: seconds that an entry lives, on average.
        rng: spreads them.
        clock: seconds that only go up.
    """

    def __init__(
        self,
        name: str,
        cache: Cache,
        *,
        ttl_s: float,
        rng: random.Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._cache = cache
        self._ttl_s = ttl_s
        self._rng = rng
        self._clock = clock
        self._promised: dict[str, float] = {}

    def get(self, key: str, source: Callable[[], str | None]) -> str | None:
        """The text of a key, from the source when the cache has none; what is nowhere is not kept."""
        text = self._cache.get(key)
        record(catalogue.CACHE_REQUESTS, name=self._name, result="miss" if text is None else "hit")
        if text is not None:
            return text
        early_s = self._promised.get(key, 0.0) - self._clock()
        if early_s > 0:
            _LOG.warning("cache %s lost %r %.0f s before its time", self._name, key, early_s)
        text = source()
        if text is not None:
            self.keep(key, text)
        return text

    def keep(self, key: str, text: str) -> None:
        """Keep a text, as when the cache is warmed."""
        ttl_s = self._ttl_s * self._rng.uniform(0.5, 1.5)
        self._cache.put(key, text, ttl_s)
        self._promised[key] = self._clock() + ttl_s


def open_cache(url: str) -> Cache:
    """The cache at a URL.

    Raises:
        SettingsError: there is no cache of this scheme.
    """
    scheme = url.partition("://")[0]
    if scheme != "memory":
        raise SettingsError(f"SHOP_CACHE_URL: no cache speaks {scheme!r}: expected memory://")
    return MemoryCache()
