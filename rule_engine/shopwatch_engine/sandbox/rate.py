"""A rate limit: a bucket that holds a minute's worth and refills evenly. Pure; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How many requests may still come. ``per_minute`` 0: as many as there are."""

    per_minute: int = 0
    level: float = 0.0
    filled_at: float = 0.0

    @classmethod
    def full(cls, per_minute: int, at: float) -> Bucket:
        """A bucket that nobody took from yet."""
        return cls(per_minute=per_minute, level=float(per_minute), filled_at=at)

    def take(self, at: float) -> tuple[Bucket, bool]:
        """The bucket after one request, and whether the request may pass."""
        if not self.per_minute:
            return self, True
        refill = max(at - self.filled_at, 0.0) * self.per_minute / 60.0
        level = min(self.level + refill, float(self.per_minute))
        passes = level >= 1.0
        return replace(self, level=level - passes, filled_at=at), passes
