"""The values that every floor shares: frozen, slotted, keyword-only. Knows no I/O and no clock.

Times are floats, seconds since the Unix epoch; durations are floats, seconds, and end in ``_s``.
"""

from shopwatch_engine.model.alert import Alert, AlertState, RuleHealth
from shopwatch_engine.model.changes import Changes, IncidentRecord, Snapshot
from shopwatch_engine.model.definition import AlertRule, Finding, Position, RecordRule, RuleGroup, RuleSet
from shopwatch_engine.model.delivery import Action, Delivery, DeliveryState
from shopwatch_engine.model.evidence import (
    Evidence,
    Exemplar,
    Link,
    LogLine,
    LogQuery,
    TraceQuery,
    TraceSummary,
)
from shopwatch_engine.model.incident import Incident, IncidentStatus
from shopwatch_engine.model.labels import LabelSet, Sample
from shopwatch_engine.model.notification import Notification, NotifiedAlert
from shopwatch_engine.model.routing import Integration, PagerKind, Receiver, Route, Routing
from shopwatch_engine.model.secret import Secret
from shopwatch_engine.model.severity import Severity

__all__ = [
    "Action",
    "Alert",
    "AlertRule",
    "AlertState",
    "Changes",
    "Delivery",
    "DeliveryState",
    "Evidence",
    "Exemplar",
    "Finding",
    "Incident",
    "IncidentRecord",
    "IncidentStatus",
    "Integration",
    "LabelSet",
    "Link",
    "LogLine",
    "LogQuery",
    "Notification",
    "NotifiedAlert",
    "PagerKind",
    "Position",
    "Receiver",
    "RecordRule",
    "Route",
    "Routing",
    "RuleGroup",
    "RuleHealth",
    "RuleSet",
    "Sample",
    "Secret",
    "Severity",
    "Snapshot",
    "TraceQuery",
    "TraceSummary",
]
