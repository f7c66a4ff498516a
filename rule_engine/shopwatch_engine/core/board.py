"""Everything that is tracked: alerts, rule health, incidents. Changed by `apply` alone.

A pass or a flush reads the board and returns `Changes`; once the store has committed them, the board
takes them over. So memory never knows more than the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shopwatch_engine.core.routing import Group, groups_of
from shopwatch_engine.model import (
    Alert,
    AlertState,
    Changes,
    Incident,
    IncidentStatus,
    LabelSet,
    Route,
    RuleHealth,
    Snapshot,
)

AlertKey = tuple[str, LabelSet]


class Board:
    """The tracked alerts by rule, the groups they belong to, the latest incident of each group."""

    def __init__(self, root: Route, snapshot: Snapshot) -> None:
        self.root = root
        self.incidents: dict[str, Incident] = {one.dedup_key: one for one in snapshot.incidents}
        self.health: dict[str, RuleHealth] = {one.rule_id: one for one in snapshot.health}
        self._by_rule: dict[str, dict[LabelSet, Alert]] = {}
        self._groups: dict[LabelSet, tuple[Group, ...]] = {}
        self._members: dict[str, dict[AlertKey, Alert]] = {}
        self.refresh(snapshot.alerts)

    def tracked(self, rule_id: str) -> Mapping[LabelSet, Alert]:
        """A rule's alerts, by labels."""
        return self._by_rule.get(rule_id, {})

    def alerts(self) -> Iterator[Alert]:
        """Every tracked alert."""
        for alerts in self._by_rule.values():
            yield from alerts.values()

    def rule_ids(self) -> tuple[str, ...]:
        """The rules that have tracked alerts."""
        return tuple(self._by_rule)

    def groups(self, labels: LabelSet) -> tuple[Group, ...]:
        """The groups that an alert with these labels joins (remembered)."""
        known = self._groups.get(labels)
        if known is None:
            known = self._groups[labels] = groups_of(self.root, labels)
        return known

    def members(self, dedup_key: str) -> Mapping[AlertKey, Alert]:
        """The alerts of a group that fire or were resolved."""
        return self._members.get(dedup_key, {})

    def due(self, now: float) -> tuple[Incident, ...]:
        """The incidents whose group must be looked at."""
        return tuple(
            one for one in self.incidents.values() if one.flush_at is not None and one.flush_at <= now
        )

    def next_flush_at(self) -> float | None:
        """When the next group must be looked at."""
        times = (one.flush_at for one in self.incidents.values() if one.flush_at is not None)
        return min(times, default=None)

    def apply(self, changes: Changes) -> None:
        """Take over what a transaction has committed."""
        self.refresh(changes.alerts)
        for key in changes.forgotten:
            self._forget(key)
        for health in changes.health:
            self.health[health.rule_id] = health
        for incident in changes.incidents:
            self.incidents[incident.dedup_key] = incident

    def look_again(self, incidents: Iterable[Incident]) -> None:
        """Take over when groups with nothing new are looked at next; no transaction needs to know."""
        for incident in incidents:
            self.incidents[incident.dedup_key] = incident

    def refresh(self, alerts: Iterable[Alert]) -> None:
        """Take over alerts: new values of known ones need no transaction."""
        for alert in alerts:
            self._by_rule.setdefault(alert.rule_id, {})[alert.labels] = alert
            for group in self.groups(alert.labels):
                self._place(group.dedup_key, alert)

    def _place(self, dedup_key: str, alert: Alert) -> None:
        if belongs(alert):
            self._members.setdefault(dedup_key, {})[alert.key] = alert
        else:
            self._members.get(dedup_key, {}).pop(alert.key, None)

    def _forget(self, key: AlertKey) -> None:
        rule_id, labels = key
        alerts = self._by_rule.get(rule_id, {})
        alerts.pop(labels, None)
        if not alerts:
            self._by_rule.pop(rule_id, None)
        for group in self.groups(labels):
            members = self._members.get(group.dedup_key, {})
            members.pop(key, None)
            if not members:
                self._members.pop(group.dedup_key, None)
        self._groups.pop(labels, None)


def belongs(alert: Alert) -> bool:
    """Whether an alert is part of its groups: it fires, or its end is still to be told."""
    return alert.state.is_firing or alert.state is AlertState.RESOLVED


def is_open(incident: Incident | None) -> bool:
    """Whether an incident's episode is not over."""
    return incident is not None and incident.status is not IncidentStatus.RESOLVED
