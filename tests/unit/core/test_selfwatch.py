"""The alert that the engine raises about itself."""

from __future__ import annotations

from alert_values import rule
from shopwatch_engine.core.observe import observe
from shopwatch_engine.core.selfwatch import evaluation_failing, failing_groups
from shopwatch_engine.model import LabelSet, RecordRule, RuleGroup, RuleHealth


def group(name: str, *rules: str) -> RuleGroup:
    record = RecordRule(group=name, record="a:b:c", expr="sum(a)")
    own = tuple(rule(one) for one in rules)
    return RuleGroup(name=name, file=f"{name}.yml", interval_s=15.0, rules=(record, *own))


def health(*failing: str, well: tuple[str, ...] = ()) -> dict[str, RuleHealth]:
    found = [RuleHealth(rule_id=f"shop/{name}", failing_since=1.0, error="down") for name in failing]
    found += [RuleHealth(rule_id=f"shop/{name}", settled_at=5.0) for name in well]
    return {one.rule_id: one for one in found}


def test_a_sample_for_each_group_that_has_failing_rules() -> None:
    groups = (group("edge", "A", "B", "C"), group("money", "D"), group("stock", "E"))
    samples = failing_groups(groups, health("A", "C", "E", "Gone", well=("B", "D")))
    assert {(one.labels.get("rule_group"), one.value) for one in samples} == {("edge", 2.0), ("stock", 1.0)}


def test_all_is_well() -> None:
    assert failing_groups((group("edge", "A"),), health(well=("A",))) == ()
    assert failing_groups((group("edge", "A"),), {}) == ()
    assert failing_groups((group("edge"),), health("A")) == ()


def test_the_alert_stays_one_while_its_rules_come_and_go() -> None:
    groups = (group("edge", "A", "B"),)
    one, both = failing_groups(groups, health("A")), failing_groups(groups, health("A", "B"))
    assert one[0].labels == both[0].labels


def test_its_page_says_how_many_and_where() -> None:
    own = evaluation_failing(300.0)
    (found,) = observe(
        own, failing_groups((group("edge", "A"),), health("A")), external_url="https://watch.example"
    )
    assert own.for_s == 300.0
    assert found.labels == LabelSet.of(
        {
            "alertname": "ShopwatchEvaluationFailing",
            "owner": "platform",
            "rule_file": "edge.yml",
            "rule_group": "edge",
            "severity": "critical",
        }
    )
    assert found.annotations.get("summary") == "1 rule(s) of the group edge cannot be evaluated"
    assert found.annotations.get("runbook_url").startswith("https://watch.example/runbooks/")
