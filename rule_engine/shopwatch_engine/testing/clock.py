"""A clock that stands still until it is told the time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FakeClock:
    """A Clock whose time, in seconds since the Unix epoch, is set by hand."""

    at: float = 1_800_000_000.0

    def now(self) -> float:
        """The time that was set."""
        return self.at

    def pass_by(self, seconds: float) -> None:
        """Let time pass; a negative number is a clock that somebody set back."""
        self.at += seconds
