"""An alert: one rule's one label set, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shopwatch_engine.model.labels import LabelSet


class AlertState(Enum):
    """Where an alert stands. An alert that is not tracked is inactive."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    KEEP_FIRING = "keep_firing"  # the condition is gone, `keep_firing_for` is not
    RESOLVED = "resolved"

    @property
    def is_firing(self) -> bool:
        """Whether people should know of it as a problem that is there now."""
        return self in (AlertState.FIRING, AlertState.KEEP_FIRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. Its identity is the rule and the final labels (``alertname`` among them)."""

    rule_id: str
    labels: LabelSet
    annotations: LabelSet
    state: AlertState
    value: float
    active_at: float
    fired_at: float | None = None
    keep_firing_since: float | None = None
    resolved_at: float | None = None
    expr: str = ""

    @property
    def key(self) -> tuple[str, LabelSet]:
        """What makes it this alert and no other."""
        return (self.rule_id, self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHealth:
    """Whether a rule can be evaluated. While ``failing_since`` is set its alerts are unknown.

    ``settled_at``: until then, after a failure, an empty answer is not yet a recovery: the ranges that
    the expression reads still reach into the time in which nothing was scraped.
    """

    rule_id: str
    failing_since: float | None = None
    error: str = ""
    settled_at: float = 0.0
