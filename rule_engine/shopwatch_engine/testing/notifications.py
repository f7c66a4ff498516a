"""Notifications to test with: one alert of a shop, with or without evidence."""

from __future__ import annotations

from collections.abc import Mapping

from shopwatch_engine.model import (
    Evidence,
    LabelSet,
    Link,
    LogLine,
    Notification,
    NotifiedAlert,
    TraceSummary,
)

STARTED_AT = 1_800_000_000.0
"""When the sample alerts began: 2027-01-15 08:00:00 UTC."""


def sample_alert(
    name: str = "HighErrorRate",
    *,
    firing: bool = True,
    severity: str = "critical",
    service: str = "orders",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    value: float = 0.42,
) -> NotifiedAlert:
    """One alert as a page tells it; ``labels`` and ``annotations`` are laid over the sample's own."""
    own_labels = {"alertname": name, "severity": severity, "service_name": service, "team": "checkout"}
    own_annotations = {
        "summary": f"{service}: 42 % of requests fail",
        "description": "More than 5 % of the requests of the last 5 minutes were answered with a 5xx.",
        "impact": "Customers cannot pay.",
        "runbook_url": f"https://runbooks.example/{name}",
        "dashboard_url": "https://grafana.example/d/shop",
    }
    return NotifiedAlert(
        labels=LabelSet.of({**own_labels, **(labels or {})}),
        annotations=LabelSet.of({**own_annotations, **(annotations or {})}),
        firing=firing,
        value=value,
        starts_at=STARTED_AT,
        ends_at=None if firing else STARTED_AT + 60,
        expr="rate(errors[5m]) > 0.05",
        generator_url="https://prometheus.example/graph?g0.expr=rate",
    )


def sample_evidence(*, traces: int = 2, logs: int = 3) -> Evidence:
    """Evidence with so many traces and log lines."""
    return Evidence(
        gathered_at=STARTED_AT + 5,
        traces=tuple(
            TraceSummary(
                trace_id=f"{number:032x}",
                service="gateway",
                name="POST /orders",
                started_at=STARTED_AT + number,
                duration_s=1.25,
                spans=12,
                errors=1,
                error="database is locked",
            )
            for number in range(traces)
        ),
        logs=tuple(
            LogLine(
                at=STARTED_AT + number,
                service="orders",
                severity_text="ERROR",
                severity_number=17,
                body=f"order {number} failed: database is locked",
                trace_id=f"{number:032x}",
            )
            for number in range(logs)
        ),
        links=(Link(text="Trace in Jaeger", href="https://jaeger.example/trace/1"),),
    )


def sample_notification(
    *alerts: NotifiedAlert,
    dedup_key: str = "0f1e2d3c4b5a",
    receiver: str = "on-call",
    evidence: Evidence | None = None,
    external_url: str = "https://shopwatch.example",
) -> Notification:
    """A notification of these alerts; of one sample alert if none is given."""
    told = alerts or (sample_alert(),)
    return Notification(
        dedup_key=dedup_key,
        receiver=receiver,
        group_labels=LabelSet.of({"alertname": told[0].labels.get("alertname")}),
        alerts=told,
        opened_at=STARTED_AT,
        at=STARTED_AT + 60,
        external_url=external_url,
        evidence=evidence,
    )
