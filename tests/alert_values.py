"""Alerts, rules, routes and deliveries to test with: what a test does not name is plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shopwatch_engine.model import (
    Action,
    Alert,
    AlertRule,
    AlertState,
    Delivery,
    Incident,
    IncidentStatus,
    Integration,
    LabelSet,
    PagerKind,
    Receiver,
    Route,
    Sample,
    Secret,
    Severity,
)
from shopwatch_engine.testing.notifications import sample_notification

PAGERDUTY = "on-call/pagerduty/0"
OPSGENIE = "on-call/opsgenie/0"


def labels(**pairs: str) -> LabelSet:
    return LabelSet.of(pairs)


def rule(name: str = "HighErrorRate", **fields: Any) -> AlertRule:
    made = AlertRule(id=f"shop/{name}", group="shop", name=name, expr=f"{name.lower()} > 0")
    return replace(made, **fields)


def sample(value: float = 1.0, **pairs: str) -> Sample:
    return Sample(labels=LabelSet.of(pairs), value=value)


def alert(
    name: str = "HighErrorRate", *, state: AlertState = AlertState.FIRING, at: float = 0.0, **pairs: str
) -> Alert:
    """An alert of the rule of that name, in a state since ``at``; ``pairs`` are more labels."""
    return Alert(
        rule_id=f"shop/{name}",
        labels=LabelSet.of({"alertname": name, "severity": "critical", **pairs}),
        annotations=LabelSet.of({"summary": f"{name} is there"}),
        state=state,
        value=1.0,
        active_at=at,
        fired_at=at if state.is_firing or state is AlertState.RESOLVED else None,
        keep_firing_since=at if state is AlertState.KEEP_FIRING else None,
        resolved_at=at if state is AlertState.RESOLVED else None,
        expr=f"{name.lower()} > 0",
    )


def route(**fields: Any) -> Route:
    """A root that groups by nothing, with Alertmanager's default times."""
    return replace(Route(key="{}", receiver="on-call"), **fields)


def integration(name: str = PAGERDUTY, **fields: Any) -> Integration:
    kind = PagerKind(name.split("/")[1])
    made = Integration(id=name, kind=kind, url="http://127.0.0.1", key=Secret("key"))
    return replace(made, **fields)


def receiver(*integrations: Integration, name: str = "on-call") -> Receiver:
    return Receiver(name=name, integrations=integrations)


def receivers(*those: Receiver) -> Mapping[str, Receiver]:
    return {one.name: one for one in those}


def incident(**fields: Any) -> Incident:
    made = Incident(
        dedup_key="key-1",
        episode=1,
        receiver="on-call",
        route="{}",
        group_labels=labels(alertname="HighErrorRate"),
        status=IncidentStatus.TRIGGERED,
        opened_at=100.0,
        flush_at=430.0,
        notified_at=130.0,
        notified_firing=("aa", "bb"),
        notifications=2,
        title="HighErrorRate is there",
        severity="critical",
    )
    return replace(made, **fields)


def delivery(
    action: Action = Action.TRIGGER,
    *,
    key: str = "key-1",
    number: int = 1,
    integration: str = PAGERDUTY,
    severity: Severity = Severity.CRITICAL,
    **fields: Any,
) -> Delivery:
    made = Delivery(
        id=f"{key}/{fields.get('episode', 1)}/{number}/{action.value}/{integration}",
        integration=integration,
        dedup_key=key,
        episode=1,
        number=number,
        action=action,
        severity=severity,
        notification=sample_notification(dedup_key=key),
        created_at=100.0,
        next_attempt_at=100.0,
    )
    return replace(made, **fields)
