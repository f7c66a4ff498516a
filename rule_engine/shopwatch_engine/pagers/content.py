"""What every page says, whichever vendor's words it is put in. Pure; knows no vendor's limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from shopwatch.catalogue import SERVICE_NAME, prometheus_label
from shopwatch_engine.exceptions import TemplateError
from shopwatch_engine.model import (
    Evidence,
    LabelSet,
    Link,
    LogLine,
    Notification,
    NotifiedAlert,
    TraceSummary,
)
from shopwatch_engine.pagers.fitting import one_line, shortened, web_address
from shopwatch_engine.templates import expand_notification

CLIENT: Final = "shopwatch"
VALUE_LIMIT: Final = 2000
"""Length that one label, annotation or log line may take of a page."""

ALERT_LIMIT: Final = 500
"""Alerts that a page tells one by one; the rest are counted."""
LABEL_LIMIT: Final = 100
"""Labels that a page tells of an alert."""

SERVICE_LABELS: Final = (prometheus_label(SERVICE_NAME), "service")
SOURCE_LABELS: Final = (*SERVICE_LABELS, "instance", "job")
COMPONENT_LABELS: Final = ("component", *SERVICE_LABELS)
GROUP_LABELS: Final = ("tier", "team", "namespace", "job")
RUNBOOK_ANNOTATIONS: Final = ("runbook_url", "runbook")
DASHBOARD_ANNOTATIONS: Final = ("dashboard_url", "dashboard")
_TOLD_ANNOTATIONS: Final = ("summary", "description", "impact")


def expanded(templates: Mapping[str, str], name: str, notification: Notification, default: str) -> str:
    """The configured text, expanded; the default where there is none, or where it fails or is blank.

    A bad template never drops a page.
    """
    text = templates.get(name)
    if not text:
        return default
    try:
        return expand_notification(text, notification).strip() or default
    except TemplateError:
        return default


def first_of(labels: LabelSet, names: Iterable[str]) -> str:
    """The value of the first of these labels that is there, else ""."""
    return next((value for name in names if (value := labels.get(name))), "")


def source_of(notification: Notification) -> str:
    """What is affected: service, instance or job of the first alert, else the receiver."""
    told = notification.told
    return (first_of(told[0].labels, SOURCE_LABELS) if told else "") or notification.receiver or CLIENT


def class_of(notification: Notification) -> str:
    """The alert's name, if it is one alert's page."""
    names = {alert.labels.get("alertname") for alert in notification.told}
    return names.pop() if len(names) == 1 else ""


def annotation_address(notification: Notification, names: Iterable[str]) -> str:
    """The first address that an alert spoken of gives under one of these annotations, else ""."""
    names = tuple(names)
    addresses = (web_address(first_of(alert.annotations, names)) for alert in notification.told)
    return next((address for address in addresses if address), "")


def links_of(notification: Notification) -> tuple[Link, ...]:
    """Dashboard, runbook, the expression in Prometheus, and what evidence adds; each address once."""
    generator = next((alert.generator_url for alert in notification.told if alert.generator_url), "")
    candidates = [
        Link(text="Dashboard", href=annotation_address(notification, DASHBOARD_ANNOTATIONS)),
        Link(text="Runbook", href=annotation_address(notification, RUNBOOK_ANNOTATIONS)),
        Link(text="Prometheus", href=web_address(generator)),
    ]
    if notification.evidence:
        candidates += notification.evidence.links
    unique: dict[str, Link] = {}
    for link in candidates:
        if href := web_address(link.href):
            unique.setdefault(href, Link(text=one_line(link.text, 100) or href, href=href))
    return tuple(unique.values())


def timestamp(at: float) -> str:
    """ISO 8601 in UTC with milliseconds; the epoch for a time that no calendar holds."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain_value(value: float) -> float | str:
    """A number as JSON can say it: NaN and the infinities become words."""
    return value if math.isfinite(value) else str(value)


def first_start(notification: Notification) -> float:
    """When the first alert spoken of began; when the incident opened if there is none."""
    return min((alert.starts_at for alert in notification.told), default=notification.opened_at)


def alert_facts(alert: NotifiedAlert) -> dict[str, object]:
    """One alert: name, what it says, value and since when, labels."""
    labels = alert.labels.without("alertname").pairs[:LABEL_LIMIT]
    told = ((name, alert.annotations.get(name)) for name in _TOLD_ANNOTATIONS)
    return {
        "name": shortened(alert.labels.get("alertname"), VALUE_LIMIT),
        **{name: shortened(text, VALUE_LIMIT) for name, text in told if text},
        "value": plain_value(alert.value),
        "since": timestamp(alert.starts_at),
        "labels": {shortened(name, VALUE_LIMIT): shortened(value, VALUE_LIMIT) for name, value in labels},
    }


def trace_facts(trace: TraceSummary) -> dict[str, object]:
    """One trace in a row."""
    facts: dict[str, object] = {
        "trace_id": one_line(trace.trace_id, 64),
        "service": one_line(trace.service, 200),
        "name": one_line(trace.name, 200),
        "at": timestamp(trace.started_at),
        "duration_s": plain_value(round(trace.duration_s, 6)),
        "spans": trace.spans,
        "errors": trace.errors,
    }
    return {**facts, "error": one_line(trace.error, 500)} if trace.error else facts


def log_facts(line: LogLine) -> dict[str, object]:
    """One log line in a row."""
    facts: dict[str, object] = {
        "at": timestamp(line.at),
        "service": one_line(line.service, 200),
        "severity": one_line(line.severity_text, 32),
        "body": shortened(line.body, VALUE_LIMIT),
    }
    return {**facts, "trace_id": one_line(line.trace_id, 64)} if line.trace_id else facts


def evidence_facts(evidence: Evidence) -> dict[str, object]:
    """All that was found, and what could not be had."""
    facts: dict[str, object] = {
        "gathered_at": timestamp(evidence.gathered_at),
        "traces": [trace_facts(trace) for trace in evidence.traces],
        "logs": [log_facts(line) for line in evidence.logs],
    }
    missing = [one_line(reason, 500) for reason in evidence.missing]
    return {**facts, "missing": missing} if missing else facts
