"""What a transaction writes, and what an engine finds when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from shopwatch_engine.model.alert import Alert, RuleHealth
from shopwatch_engine.model.delivery import Delivery
from shopwatch_engine.model.incident import Incident
from shopwatch_engine.model.labels import LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What one transaction writes: all of it or nothing."""

    alerts: tuple[Alert, ...] = ()  # to insert or replace
    forgotten: tuple[tuple[str, LabelSet], ...] = ()  # keys of alerts that are tracked no longer
    health: tuple[RuleHealth, ...] = ()  # to insert or replace
    incidents: tuple[Incident, ...] = ()  # to insert or replace, by dedup key and episode
    deliveries: tuple[Delivery, ...] = ()  # to insert (a known id is left as it is)

    def __bool__(self) -> bool:
        return bool(self.alerts or self.forgotten or self.health or self.incidents or self.deliveries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What an engine needs to go on where another, or itself, stopped."""

    alerts: tuple[Alert, ...] = ()
    health: tuple[RuleHealth, ...] = ()
    incidents: tuple[Incident, ...] = ()  # of each dedup key the latest episode


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRecord:
    """An incident and all that was owed for it, for those who look."""

    incident: Incident
    deliveries: tuple[Delivery, ...]
