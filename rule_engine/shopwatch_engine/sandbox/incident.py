"""An incident as a pager holds it, with its timeline. Values only; knows no HTTP and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

TIMELINE_LIMIT: Final = 500
"""Entries that an incident keeps; after that the oldest but the first go."""


class Status(Enum):
    """Where an incident stands, in PagerDuty's words."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Effect(Enum):
    """What an event did."""

    OPENED = "opened"
    ADDED = "added"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DROPPED = "dropped"  # nothing open that it could be about


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a timeline. ``payload`` is what came, without keys."""

    at: float
    action: str
    summary: str
    payload: Mapping[str, object]
    traces: int = 0  # how much evidence it brought
    logs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxIncident:
    """One incident (PagerDuty) or alert (Opsgenie)."""

    id: str
    pager: str
    account: str  # the key that opened it, masked
    key: str  # dedup_key or alias
    status: Status
    title: str
    severity: str  # PagerDuty's severity, Opsgenie's priority
    opened_at: float
    resolved_at: float | None = None
    count: int = 1  # how often it was triggered while open
    events: tuple[Entry, ...] = ()

    @property
    def has_evidence(self) -> bool:
        """Whether any event brought traces or log lines."""
        return any(entry.traces or entry.logs for entry in self.events)

    @property
    def is_open(self) -> bool:
        """Whether it is triggered or acknowledged."""
        return self.status is not Status.RESOLVED

    def with_entry(self, entry: Entry) -> SandboxIncident:
        """The same with one more line in its timeline."""
        events = (*self.events, entry)
        if len(events) > TIMELINE_LIMIT:
            events = (events[0], *events[2:])
        return replace(self, events=events)

    def acknowledged(self, entry: Entry) -> SandboxIncident:
        """The same, acknowledged."""
        return replace(self.with_entry(entry), status=Status.ACKNOWLEDGED)

    def resolved(self, entry: Entry) -> SandboxIncident:
        """The same, resolved."""
        return replace(self.with_entry(entry), status=Status.RESOLVED, resolved_at=entry.at)


def as_json(incident: SandboxIncident) -> dict[str, object]:
    """The incident as ``GET /api/incidents`` tells it."""
    return {
        "id": incident.id,
        "pager": incident.pager,
        "account": incident.account,
        "key": incident.key,
        "status": incident.status.value,
        "title": incident.title,
        "severity": incident.severity,
        "opened_at": incident.opened_at,
        "resolved_at": incident.resolved_at,
        "count": incident.count,
        "has_evidence": incident.has_evidence,
        "events": [
            {
                "at": entry.at,
                "action": entry.action,
                "summary": entry.summary,
                "traces": entry.traces,
                "logs": entry.logs,
                "payload": entry.payload,
            }
            for entry in incident.events
        ],
    }


def utf16_units(text: str) -> int:
    """How long a text is as Java counts: the stricter of the two readings of "characters"."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def masked(key: str) -> str:
    """A key as it may be shown: its last four characters, if those give little away."""
    return f"\N{HORIZONTAL ELLIPSIS}{key[-4:]}" if len(key) >= 16 else "***"
