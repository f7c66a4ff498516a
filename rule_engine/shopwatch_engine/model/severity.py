"""How bad it is: PagerDuty's four words, which the ``severity`` label speaks too."""

from __future__ import annotations

from enum import Enum


class Severity(Enum):
    """PagerDuty's severities, worst first (Events API v2: critical, error, warning, info)."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst; deliveries leave in this order."""
        return list(Severity).index(self)

    @classmethod
    def of(cls, label: str) -> Severity:
        """The severity a label's value names; an unknown or missing one is an error, not a whisper."""
        return _BY_LABEL.get(label.strip().lower(), cls.ERROR)

    @classmethod
    def worst(cls, severities: list[Severity]) -> Severity:
        """The worst of some; ERROR of none."""
        return min(severities, key=lambda severity: severity.rank, default=cls.ERROR)


_BY_LABEL = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "emergency": Severity.CRITICAL,
    "error": Severity.ERROR,
    "high": Severity.ERROR,
    "major": Severity.ERROR,
    "warning": Severity.WARNING,
    "warn": Severity.WARNING,
    "ticket": Severity.WARNING,
    "info": Severity.INFO,
    "none": Severity.INFO,
}
