"""Durations as Prometheus writes them: ``1h30m``, ``15s``, ``500ms``; in Python always float seconds."""

from __future__ import annotations

import re
from typing import Final

_UNITS_MS: Final = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
"""Prometheus' units, largest first, in milliseconds; a day has 24 hours and a year 365 days."""

_SYNTAX: Final = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _UNITS_MS))
_LONGEST_MS: Final = (2**63 - 1) // 1_000_000  # Prometheus holds durations in 64 bits of nanoseconds
_LONGEST_TEXT: Final = 64


def parse_duration(text: str) -> float:
    """The seconds that a duration names.

    Args:
        text: numbers with units, each unit at most once, largest first (``y w d h m s ms``); or ``0``.

    Raises:
        ValueError: it is not such a text, or longer than Prometheus can hold (about 292 years).
    """
    if text == "0":
        return 0.0
    found = _SYNTAX.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if not text or found is None:
        raise ValueError(
            f"{_shown(text)} is not a duration: expected numbers with units, largest first,"
            " such as 30s, 5m, 1h30m, 1d or 500ms"
        )
    total_ms = sum(int(number) * _UNITS_MS[unit] for unit, number in found.groupdict().items() if number)
    if total_ms > _LONGEST_MS:
        raise ValueError(f"{_shown(text)} is too long a duration: expected at most 292y")
    return total_ms / 1000


def format_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads as these seconds, to the millisecond.

    As Prometheus does, years and weeks are only written when nothing is left over, so that ``8d`` stays
    ``8d``.

    Raises:
        ValueError: the duration is negative or not finite.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{seconds} s is not a duration: expected zero or more, and finite")
    rest = round(seconds * 1000)
    if rest == 0:
        return "0s"
    parts: list[str] = []
    for unit, size in _UNITS_MS.items():
        if unit in ("y", "w") and rest % size:
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…")
