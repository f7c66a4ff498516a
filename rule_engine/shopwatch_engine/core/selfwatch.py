"""The alert that the engine raises about itself: rules that it cannot evaluate.

While a rule fails its alerts are unknown: neither new ones nor recoveries are seen. That is worth a
page of its own once it lasts. It takes the same way as every other alert.
"""

from __future__ import annotations

from collections.abc import Mapping

from shopwatch_engine.model import AlertRule, LabelSet, RuleGroup, RuleHealth, Sample

GROUP = "shopwatch"


def evaluation_failing(for_s: float) -> AlertRule:
    """The rule: a group has had rules that could not be evaluated for ``for_s`` seconds."""
    return AlertRule(
        id="shopwatch/EvaluationFailing",
        group=GROUP,
        name="ShopwatchEvaluationFailing",
        expr="",
        for_s=for_s,
        labels=LabelSet.of({"severity": "critical", "owner": "platform"}),
        annotations=LabelSet.of(
            {
                "summary": "{{ $value }} rule(s) of the group {{ $labels.rule_group }} cannot be evaluated",
                "description": "The source of {{ $labels.rule_file }} does not answer them, or refuses them. "
                "Its alerts are held as they were; new ones are not seen.",
                "impact": "Nobody is paged for what these rules watch until this is mended.",
                "runbook_url": "{{ externalURL }}/runbooks/ShopwatchEvaluationFailing",
            }
        ),
    )


def failing_groups(groups: tuple[RuleGroup, ...], health: Mapping[str, RuleHealth]) -> tuple[Sample, ...]:
    """A sample for each group that has failing rules; its value is how many.

    The labels name the group alone, so that the alert stays one while its rules come and go.
    """
    found = ((group, _failing(group, health)) for group in groups)
    return tuple(
        Sample(
            labels=LabelSet.of({"rule_group": group.name, "rule_file": group.file}),
            value=float(len(failing)),
        )
        for group, failing in found
        if failing
    )


def _failing(group: RuleGroup, health: Mapping[str, RuleHealth]) -> tuple[RuleHealth, ...]:
    states = (health.get(rule.id) for rule in group.alert_rules)
    return tuple(one for one in states if one is not None and one.failing_since is not None)
