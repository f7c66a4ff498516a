"""At which times a group's passes are: an exact grid, shifted by a hash of the group as Prometheus does."""

from __future__ import annotations

import hashlib
import math


def offset_s(file: str, name: str, interval_s: float) -> float:
    """The group's own shift of the grid, so that not all groups ask at once."""
    digest = hashlib.blake2b(f"{file}\xff{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * interval_s


def next_pass(now: float, interval_s: float, offset: float) -> float:
    """The first time on the grid after ``now``."""
    turn = math.floor((now - offset) / interval_s) + 1
    at = turn * interval_s + offset
    # The division rounds: a time that is on the grid may seem to lie just before it.
    return at if at > now else (turn + 1) * interval_s + offset


def missed(last: float, upcoming: float, interval_s: float) -> int:
    """How many times of the grid lie between two passes."""
    return max(round((upcoming - last) / interval_s) - 1, 0)
