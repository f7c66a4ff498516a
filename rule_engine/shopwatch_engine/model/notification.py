"""What a page says, in no vendor's words yet."""

from __future__ import annotations

from dataclasses import dataclass

from shopwatch_engine.model.evidence import Evidence
from shopwatch_engine.model.labels import LabelSet, common
from shopwatch_engine.model.severity import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifiedAlert:
    """An alert as a page tells it."""

    labels: LabelSet
    annotations: LabelSet
    firing: bool
    value: float
    starts_at: float
    ends_at: float | None = None
    expr: str = ""
    generator_url: str = ""  # the expression in Prometheus' own page


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What a pager is told of an incident; a pager's ``render`` makes its own form of it."""

    dedup_key: str
    receiver: str
    group_labels: LabelSet
    alerts: tuple[NotifiedAlert, ...]
    opened_at: float
    at: float
    external_url: str = ""
    evidence: Evidence | None = None

    @property
    def firing(self) -> tuple[NotifiedAlert, ...]:
        """The alerts that fire."""
        return tuple(alert for alert in self.alerts if alert.firing)

    @property
    def told(self) -> tuple[NotifiedAlert, ...]:
        """The alerts to speak of: those that fire, or all once none does."""
        return self.firing or self.alerts

    @property
    def common_labels(self) -> LabelSet:
        """The labels that all its alerts share."""
        return common(alert.labels for alert in self.alerts)

    @property
    def common_annotations(self) -> LabelSet:
        """The annotations that all its alerts share."""
        return common(alert.annotations for alert in self.alerts)

    @property
    def severity(self) -> Severity:
        """The worst severity of the alerts it speaks of."""
        return Severity.worst([Severity.of(alert.labels.get("severity")) for alert in self.told])

    @property
    def title(self) -> str:
        """The first alert's summary (else its name), and how many there are besides."""
        if not self.told:
            return str(self.group_labels)
        first = self.told[0]
        text = first.annotations.get("summary") or first.labels.get("alertname") or str(first.labels)
        others = len(self.told) - 1
        return f"{text} (+{others} more)" if others else text
