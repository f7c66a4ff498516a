"""When an empty answer after an outage counts again.

While Prometheus is away nothing is scraped. When it is back, ``rate(errors_total[5m])`` finds no two
samples in its range and answers nothing, though the errors go on. So after a failure a rule's absences
are held until the longest range of its expression lies wholly after the recovery. An engine that starts
cannot know what was scraped while it was down, so it holds them as long.
"""

from __future__ import annotations

from dataclasses import replace

from shopwatch_engine.model import AlertRule, RuleHealth


def failed(rule: AlertRule, health: RuleHealth | None, *, error: str, now: float) -> RuleHealth:
    """The rule's health after a pass that failed."""
    before = health or RuleHealth(rule_id=rule.id)
    since = now if before.failing_since is None else before.failing_since
    return replace(before, failing_since=since, error=error)


def recovered(rule: AlertRule, health: RuleHealth | None, *, now: float) -> RuleHealth | None:
    """The rule's health after a pass that succeeded; None when it was well before."""
    if health is None or health.failing_since is None:
        return None
    return RuleHealth(rule_id=rule.id, settled_at=now + rule.lookback_s)


def is_settled(rule: AlertRule, health: RuleHealth | None, *, began_at: float, now: float) -> bool:
    """Whether an empty answer means that the condition is gone; ``began_at`` is when the engine started."""
    settled_at = 0.0 if health is None else health.settled_at
    return now >= max(settled_at, began_at + rule.lookback_s)
