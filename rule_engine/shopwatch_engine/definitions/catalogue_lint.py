"""Whether rules speak of metrics and labels that something really gives: those of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from shopwatch import catalogue
from shopwatch_engine import promql
from shopwatch_engine.definitions.document import in_order
from shopwatch_engine.definitions.schema import nearest
from shopwatch_engine.model import AlertRule, Finding, RecordRule, RuleSet

_ALWAYS: Final = frozenset({"__name__", "alertname", "instance", "job", "le"})
"""Labels that Prometheus itself gives."""


def lint_against_catalogue(rules: RuleSet) -> tuple[Finding, ...]:
    """Metric names and labels in expressions that the catalogue does not know.

    A metric that one of the rule set's own recording rules makes is known, with any label.
    """
    recorded = {rule.record for group in rules.groups for rule in group.rules if isinstance(rule, RecordRule)}
    every = [rule for group in rules.groups for rule in group.rules]
    findings = [finding for rule in every for finding in _of_rule(rule, frozenset(recorded))]
    return in_order(findings, [group.file for group in rules.groups])


def _of_rule(rule: AlertRule | RecordRule, recorded: frozenset[str]) -> Iterator[Finding]:
    facts = promql.describe(rule.expr)
    for name in sorted(facts.metric_names - recorded - catalogue.SERIES.keys()):
        yield _unknown_metric(rule, name)
    for use in facts.label_uses:
        known = use.metric_names & catalogue.SERIES.keys()
        if known and not use.metric_names & recorded and use.label not in _ALWAYS | _labels_of(known):
            yield _unknown_label(rule, use.label, known)


def _labels_of(names: frozenset[str]) -> frozenset[str]:
    metrics = [catalogue.SERIES[name] for name in names]
    own = frozenset(label for metric in metrics for label in metric.labels)
    if any(metric in catalogue.SERVICE_METRICS for metric in metrics):
        return own | {catalogue.prometheus_label(one) for one in catalogue.RESOURCE_LABELS}
    return own


def _unknown_metric(rule: AlertRule | RecordRule, name: str) -> Finding:
    close = nearest(name, catalogue.SERIES)
    return Finding(
        code="unknown-metric",
        position=rule.position,
        message=f"{_name_of(rule)}: nothing gives the metric {name}",
        remedy=f"did you mean {close}?" if close else "name it in the catalogue, and emit it",
    )


def _unknown_label(rule: AlertRule | RecordRule, label: str, names: frozenset[str]) -> Finding:
    labels = _labels_of(names)
    close = nearest(label, labels)
    return Finding(
        code="unknown-label",
        position=rule.position,
        message=f"{_name_of(rule)}: {', '.join(sorted(names))} has no label {label}",
        remedy=f"did you mean {close}?" if close else f"its labels: {', '.join(sorted(labels))}",
    )


def _name_of(rule: AlertRule | RecordRule) -> str:
    return f"alert {rule.name!r}" if isinstance(rule, AlertRule) else f"record {rule.record!r}"
