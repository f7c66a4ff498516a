"""When to try again: exponential back-off with full jitter and a cap, or what the pager asked for."""

from __future__ import annotations

from dataclasses import dataclass

from shopwatch_engine.model import Action, Delivery

FOREVER = 64  # 2**64 seconds is past any cap; keeps the power finite


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """``base_s`` doubles with each attempt up to ``cap_s``; after its longest age a delivery is dead.

    Evidence is given up early: what comes after it for the same incident must not wait for it.
    """

    base_s: float = 0.5
    cap_s: float = 15.0
    max_age_s: float = 3 * 86400.0
    evidence_max_age_s: float = 60.0

    def delay_s(self, attempts: int, *, uniform: float, retry_after_s: float | None = None) -> float:
        """Seconds to wait after ``attempts`` failed ones.

        Args:
            attempts: how many failed so far, 1 or more.
            uniform: a random number in [0, 1): full jitter spreads a crowd of retries evenly.
            retry_after_s: what the pager asked for, a floor to the wait.
        """
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, FOREVER))
        return max(uniform * ceiling, retry_after_s or 0.0)

    def is_too_old(self, delivery: Delivery, *, now: float) -> bool:
        """Whether a delivery that failed is not tried again."""
        is_evidence = delivery.action is Action.EVIDENCE
        longest_s = self.evidence_max_age_s if is_evidence else self.max_age_s
        return now - delivery.created_at > longest_s
