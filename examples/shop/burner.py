"""Threads that burn all the processor time they get while a fault is on, as code gone wrong does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Final

_BLOCK: Final = bytes(16_000_000)  # long enough that waiting for the interpreter's lock costs little
_HASHERS: Final = 3  # so many that a busy machine of two cores still gives us one


def burn_while(burning: threading.Event) -> tuple[threading.Thread, ...]:
    """Start the threads; they sleep until the event is set, and end with the process.

    One counts and holds the interpreter's lock, so that requests get slower; the others hash without
    the lock, so that a core is burned even where other processes want their share.
    """
    threads = tuple(_burner(burning, once) for once in (_count, *[_hash] * _HASHERS))
    for thread in threads:
        thread.start()
    return threads


def _burner(burning: threading.Event, once: Callable[[], object]) -> threading.Thread:
    def burn() -> None:
        while burning.wait():
            once()

    return threading.Thread(target=burn, name="shop-burner", daemon=True)


def _count() -> int:
    return sum(range(20_000))


def _hash() -> bytes:
    return hashlib.sha256(_BLOCK).digest()
