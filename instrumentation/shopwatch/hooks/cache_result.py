"""What the hooks of caches share: look-ups by result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shopwatch import catalogue
from shopwatch.hooks.call import count

HIT: Final = "hit"
MISS: Final = "miss"


def looked_up(cache: str, found: int, asked: int) -> None:
    """So many of the keys that were asked for were there."""
    count(catalogue.CACHE_REQUESTS, cache, HIT, amount=found)
    count(catalogue.CACHE_REQUESTS, cache, MISS, amount=asked - found)


def looked_up_in(cache: str, values: Sequence[object]) -> None:
    """Each value that is None was not there."""
    found = sum(value is not None for value in values)
    looked_up(cache, found, len(values))
