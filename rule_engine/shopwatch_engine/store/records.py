"""Values to rows and back. Knows the tables' columns and no database.

Labels and notifications are JSON in ASCII: JSON from afar can hold half a surrogate pair, which is no text
to a database. Texts that only people read have such halves replaced.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from shopwatch_engine.model import (
    Action,
    Alert,
    AlertState,
    Delivery,
    DeliveryState,
    Incident,
    IncidentStatus,
    LabelSet,
    Notification,
    RuleHealth,
    Severity,
)

Row = Mapping[Any, Any]
_NOTIFICATION: Final[TypeAdapter[Notification]] = TypeAdapter(Notification)


def alert_row(alert: Alert) -> dict[str, Any]:
    """An alert as a row of ``alerts``."""
    return {
        "rule_id": alert.rule_id,
        "fingerprint": alert.labels.fingerprint,
        "labels": _labels_text(alert.labels),
        "annotations": _labels_text(alert.annotations),
        "state": alert.state.value,
        "value": repr(alert.value),
        "active_at": alert.active_at,
        "fired_at": alert.fired_at,
        "keep_firing_since": alert.keep_firing_since,
        "resolved_at": alert.resolved_at,
        "expr": alert.expr,
    }


def alert_of(row: Row) -> Alert:
    """A row of ``alerts`` as an alert."""
    return Alert(
        rule_id=row["rule_id"],
        labels=_labels_of(row["labels"]),
        annotations=_labels_of(row["annotations"]),
        state=AlertState(row["state"]),
        value=float(row["value"]),
        active_at=row["active_at"],
        fired_at=row["fired_at"],
        keep_firing_since=row["keep_firing_since"],
        resolved_at=row["resolved_at"],
        expr=row["expr"],
    )


def health_row(health: RuleHealth) -> dict[str, Any]:
    """A rule's health as a row of ``rule_health``."""
    return {**dataclasses.asdict(health), "error": _storable(health.error)}


def health_of(row: Row) -> RuleHealth:
    """A row of ``rule_health`` as a rule's health."""
    return RuleHealth(**row)


def incident_row(incident: Incident) -> dict[str, Any]:
    """An incident as a row of ``incidents``."""
    return {
        **{field.name: getattr(incident, field.name) for field in dataclasses.fields(incident)},
        "group_labels": _labels_text(incident.group_labels),
        "status": incident.status.value,
        "notified_firing": " ".join(incident.notified_firing),
        "title": _storable(incident.title),
    }


def incident_of(row: Row) -> Incident:
    """A row of ``incidents`` as an incident."""
    return Incident(
        **{
            **row,
            "group_labels": _labels_of(row["group_labels"]),
            "status": IncidentStatus(row["status"]),
            "notified_firing": tuple(row["notified_firing"].split()),
        }
    )


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    """A delivery as a row of ``deliveries``, unclaimed."""
    return {
        **{field.name: getattr(delivery, field.name) for field in dataclasses.fields(delivery)},
        "action": delivery.action.value,
        "severity": delivery.severity.value,
        "severity_rank": delivery.severity.rank,
        "state": delivery.state.value,
        "notification": json.dumps(dataclasses.asdict(delivery.notification), ensure_ascii=True),
        "claimed_until": 0.0,
        "error": _storable(delivery.error),
    }


def delivery_of(row: Row) -> Delivery:
    """A row of ``deliveries`` as a delivery."""
    names = {field.name for field in dataclasses.fields(Delivery)}
    return Delivery(
        **{
            **{name: value for name, value in row.items() if name in names},
            "action": Action(row["action"]),
            "severity": Severity(row["severity"]),
            "state": DeliveryState(row["state"]),
            "notification": _NOTIFICATION.validate_python(json.loads(row["notification"])),
        }
    )


def settled_values(delivery: Delivery) -> dict[str, Any]:
    """The columns of ``deliveries`` that an attempt changes."""
    return {
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at,
        "settled_at": delivery.settled_at,
        "error": _storable(delivery.error),
    }


def _labels_text(labels: LabelSet) -> str:
    return json.dumps(labels.pairs, ensure_ascii=True)


def _labels_of(text: str) -> LabelSet:
    return LabelSet(tuple((name, value) for name, value in json.loads(text)))


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
