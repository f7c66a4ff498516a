"""Good rule files, whole and unchanged; and which files of a folder are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopwatch_engine.definitions import load_rules
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import AlertRule, Finding, RecordRule, RuleSet

GOOD = Path(__file__).parents[2] / "data" / "good"
ONE = "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]\n"


def rule(rules: RuleSet, name: str, **labels: str) -> AlertRule:
    [one] = [
        one
        for one in rules.alert_rules
        if one.name == name and all(one.labels.get(key) == value for key, value in labels.items())
    ]
    return one


def codes(*paths: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load_rules(paths)
    return [one.code for one in caught.value.findings if isinstance(one, Finding)]


def test_a_pack_in_the_manner_of_kubernetes_mixin() -> None:
    rules = load_rules([GOOD / "kubernetes.yml"])
    assert [(group.name, group.interval_s, group.limit) for group in rules.groups] == [
        ("kubernetes-apps", 60.0, 0),
        ("kube-apiserver-burnrate.rules", 180.0, 50),
        ("kube-apiserver-slos", 60.0, 0),
        ("no rules at all", 60.0, 0),
    ]
    crash = rule(rules, "KubePodCrashLooping")
    assert (crash.for_s, crash.lookback_s, crash.position.line) == (900.0, 300.0, 5)
    assert crash.expr.startswith("max_over_time(")
    assert crash.expr.endswith(">= 1")
    assert crash.annotations.get("description").startswith("Pod {{ $labels.namespace }}")
    burn = rules.groups[1].rules[0]
    assert isinstance(burn, RecordRule)
    assert (burn.record, burn.labels.get("verb")) == ("apiserver_request:burnrate1d", "read")


def test_same_alert_at_two_severities_is_two_rules() -> None:
    rules = load_rules([GOOD / "kubernetes.yml"])
    critical = rule(rules, "KubeAPIErrorBudgetBurn", severity="critical")
    warning = rule(rules, "KubeAPIErrorBudgetBurn", severity="warning")
    assert critical.id != warning.id
    assert critical.id.rpartition("/")[0] == "kubernetes.yml/kube-apiserver-slos/KubeAPIErrorBudgetBurn"
    assert (critical.labels.get("owner"), warning.labels.get("owner")) == ("platform", "platform")


def test_values_are_read_as_prometheus_reads_them() -> None:
    rules = load_rules([GOOD / "shop.yaml"])
    slow = rule(rules, "PaymentProviderSlow")
    assert slow.labels.as_dict() == {
        "severity": "critical",
        "owner": "payments",
        "tier": "1",
        "on_call": "yes",
    }
    assert (slow.for_s, slow.keep_firing_for_s, slow.lookback_s) == (90.0, 300.0, 360.0)
    merged = rule(rules, "PaymentProviderVerySlow")
    assert merged.labels.as_dict() == slow.labels.as_dict() | {"tier": "0"}
    assert merged.expr == slow.expr
    assert (rule(rules, "NoMorning").for_s, rule(rules, "NoMorning").expr) == (0.0, "1")


def test_query_offset_is_the_groups(tmp_path: Path) -> None:
    path = tmp_path / "late.yml"
    path.write_text("groups: [{name: late, query_offset: 2m, rules: []}]", encoding="utf-8")
    assert [group.query_offset_s for group in load_rules([path]).groups] == [120.0]


def test_interval_of_groups_that_name_none() -> None:
    rules = load_rules([GOOD / "shop.yaml"], default_interval_s=5.0)
    assert [group.interval_s for group in rules.groups] == [5.0]


def test_ids_are_stable_and_know_no_folder(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yml").write_text(ONE)
        ids.append(load_rules([tmp_path / name]).alert_rules[0].id)
    assert ids[0] == ids[1]


def test_ids_differ_between_files_even_of_one_name(tmp_path: Path) -> None:
    for name in ("shop/a.yml", "shop/b.yml", "more/a.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(ONE)
    rules = load_rules([tmp_path])
    assert [one.id.split("/g/")[0] for one in rules.alert_rules] == ["more/a.yml", "shop/a.yml", "b.yml"]
    assert [Path(group.file).parent.name for group in rules.groups] == ["more", "shop", "shop"]


def test_a_folder_is_read_all_the_way_down_less_what_is_of_others(tmp_path: Path) -> None:
    files = {
        "a.yml": ONE,
        "deep/er/b.yaml": ONE,
        "scenarios/a_test.yml": "rule_files: [../a.yml]\ntests: []\n",
        "routing.yml": "route: {receiver: x}\nreceivers: [{name: x}]\n",
        "runbooks/x.md": "# not YAML: [",
        ".hidden.yml": "not: rules",
        "..2026_data/a.yml": ONE,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = [Path(group.file).relative_to(tmp_path).as_posix() for group in load_rules([tmp_path]).groups]
    assert found == ["a.yml", "deep/er/b.yaml"]


@pytest.mark.parametrize("pattern", ["*.yml", "d*/*.yml", "**/*.yml", "d?", "[d]1/a.yml"])
def test_patterns(tmp_path: Path, pattern: str) -> None:
    for name in ("a.yml", "d1/a.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(ONE)
    found = {
        Path(group.file).relative_to(tmp_path).as_posix() for group in load_rules([tmp_path / pattern]).groups
    }
    every = {"a.yml", "d1/a.yml"}
    assert found == {"*.yml": {"a.yml"}, "**/*.yml": every}.get(pattern, {"d1/a.yml"})


def test_a_file_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(ONE)
    (tmp_path / "link.yml").symlink_to(tmp_path / "a.yml")
    paths = [tmp_path, tmp_path / "a.yml", tmp_path / "*.yml"]
    assert len(load_rules(paths).groups) == 1


def test_paths_without_rules(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling.yml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "tests.yml").write_text("tests: []")
    assert codes(tmp_path / "missing") == ["missing-path"]
    assert codes(tmp_path / "missing.yml") == ["missing-path"]
    assert codes(tmp_path / "*.none") == ["missing-path"]
    assert codes(tmp_path / "empty") == ["no-rules"]
    assert codes(tmp_path / "dangling.yml") == ["unreadable"]
    assert codes(tmp_path / "tests.yml") == ["not-a-rule-file"]
    assert codes(tmp_path / "missing", tmp_path / "empty") == ["no-rules", "missing-path"]


def test_links_that_lead_back_up(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(ONE)
    for name in ("up", "again"):
        (tmp_path / name).symlink_to(tmp_path)
    assert len(load_rules([tmp_path]).groups) == 1


def test_unreadable_folder(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yml"
    loop.symlink_to(loop)
    (tmp_path / "a.yml").write_text(ONE)
    assert codes(tmp_path) == ["unreadable"]


def test_a_strange_file_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(ONE)
    (tmp_path / "grups.yml").write_text(ONE.replace("groups", "grups"))
    assert codes(tmp_path) == ["not-a-rule-file"]


@pytest.mark.parametrize("depth", [50, 5000])
def test_deep_nesting_ends_in_a_finding(tmp_path: Path, depth: int) -> None:
    (tmp_path / "a.yml").write_text("groups: " + "[" * depth + "]" * depth)
    assert set(codes(tmp_path / "a.yml")) <= {"bad-yaml", "wrong-type"}
