"""When an empty answer after an outage counts again.

While Prometheus is away nothing is scraped. When it is back, it takes some seconds to discover its targets
and up to a scrape interval to scrape them; until then even an instant selector may find nothing. And
``rate(errors_total[5m])`` finds no two samples in its range for longer, though the errors go on. So after a
failure a rule's absences are held until the longest range of its expression lies wholly after the first
scrape. An engine that starts cannot know what was scraped while it was down, so it holds them as long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from shopwatch_engine.model import AlertRule, RuleHealth

DISCOVERY_S: Final = 5.0
"""Prometheus hands newly discovered targets to its scrapers every five seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """How long absences are held.

    Args:
        began_at: when the engine started.
        scrape_interval_s: the longest scrape interval of what the rules read; Prometheus' default is 60.
    """

    began_at: float = 0.0
    scrape_interval_s: float = 60.0

    def recovered(self, rule: AlertRule, health: RuleHealth | None, *, now: float) -> RuleHealth | None:
        """The rule's health after a pass that succeeded; None when it was well before."""
        if health is None or health.failing_since is None:
            return None
        return RuleHealth(rule_id=rule.id, settled_at=now + self.seconds(rule))

    def is_over(self, rule: AlertRule, health: RuleHealth | None, *, now: float) -> bool:
        """Whether an empty answer means that the condition is gone."""
        settled_at = 0.0 if health is None else health.settled_at
        return now >= max(settled_at, self.began_at + self.seconds(rule))

    def seconds(self, rule: AlertRule) -> float:
        """From a recovery until the rule's ranges hold nothing but what was scraped after it."""
        return DISCOVERY_S + self.scrape_interval_s + rule.lookback_s


def failed(rule: AlertRule, health: RuleHealth | None, *, error: str, now: float) -> RuleHealth:
    """The rule's health after a pass that failed."""
    before = health or RuleHealth(rule_id=rule.id)
    since = now if before.failing_since is None else before.failing_since
    return replace(before, failing_since=since, error=error)
