"""What a pager of the sandbox can be told to do instead of its work. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """How a pager behaves."""

    OK = "ok"
    FAIL = "fail"  # answers `status`, processes nothing
    HANG = "hang"  # neither answers nor processes, until told otherwise or for a minute
    SLOW = "slow"  # processes at once, answers `seconds` later
    RESET = "reset"  # closes the connection without an answer, processes nothing
    LIMIT = "limit"  # answers 429, with Retry-After if `retry_after` is set
    REFUSE = "refuse"  # answers 400
    DISCARD = "discard"  # Opsgenie: accepts with 202, then discards; PagerDuty: accepts and drops


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A mode and its numbers."""

    mode: Mode = Mode.OK
    status: int = 503
    seconds: float = 5.0
    retry_after: float | str | None = None  # seconds, or an HTTP date as it shall be sent

    def as_json(self) -> dict[str, object]:
        """As ``GET /control`` tells it."""
        return {
            "mode": self.mode.value,
            "status": self.status,
            "seconds": self.seconds,
            "retry_after": self.retry_after,
        }


def parse_fault(raw: object) -> Fault:
    """A fault from the JSON of ``PUT /control/{pager}``.

    Raises:
        ValueError: names key, value and what was expected.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(  # noqa: TRY004 - one error for whatever is wrong with it
            f"expected a JSON object such as {{'mode': 'fail', 'status': 503}}, got {raw!r}"
        )
    if unknown := sorted(set(raw) - _KEYS):
        raise ValueError(f"unknown key {unknown[0]!r}, expected one of {', '.join(sorted(_KEYS))}")
    modes = {mode.value: mode for mode in Mode}
    mode = modes.get(str(raw.get("mode", "ok")))
    if mode is None:
        raise ValueError(f"mode is {raw['mode']!r}, expected one of {', '.join(modes)}")
    return Fault(
        mode=mode,
        status=int(_number(raw, "status", 503, least=300, most=599)),
        seconds=_number(raw, "seconds", 5.0, least=0, most=60),
        retry_after=_retry_after(raw.get("retry_after")),
    )


_KEYS = frozenset({"mode", "status", "seconds", "retry_after"})


def _number(raw: Mapping[str, object], key: str, default: float, *, least: float, most: float) -> float:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"{key} is {value!r}, expected a number from {least:g} to {most:g}")
    return value


def _retry_after(value: object) -> float | str | None:
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0):
        return value
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return value
    raise ValueError(f"retry_after is {value!r}, expected seconds (0 or more) or an HTTP date")
