"""An incident: what one group of alerts opens at its receiver's pagers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shopwatch_engine.model.labels import LabelSet


class IncidentStatus(Enum):
    """Where an incident stands."""

    WAITING = "waiting"  # alerts fire; `group_wait` runs; nobody was told yet
    TRIGGERED = "triggered"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A group of alerts at one receiver.

    ``dedup_key`` follows from route, receiver and group labels alone, so that no crash and no second
    engine can open two. ``episode`` counts how often the same group came back after it was resolved.
    """

    dedup_key: str
    episode: int
    receiver: str
    route: str
    group_labels: LabelSet
    status: IncidentStatus
    opened_at: float
    flush_at: float | None  # when the group must be looked at again; None once resolved
    notified_at: float | None = None
    notified_firing: tuple[str, ...] = ()  # fingerprints last told as firing, sorted
    notifications: int = 0  # how many were owed in this episode; numbers the deliveries
    resolved_at: float | None = None
    title: str = ""
    severity: str = ""
