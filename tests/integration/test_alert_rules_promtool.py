"""The shipped alert definitions, judged by the real promtool and held against the catalogue."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopwatch_engine.definitions import load_rules
from shopwatch_engine.definitions.catalogue_lint import lint_against_catalogue
from shopwatch_engine.definitions.lint import lint
from shopwatch_engine.servers import FoundServer

FOLDER = Path(__file__).parents[2] / "alert_rules"
SCENARIOS = sorted((FOLDER / "scenarios").glob("*.yml"))
RULE_FILES = sorted(file for file in FOLDER.glob("*.yml") if file.name != "routing.yml")
TIERS = ("cache", "database", "delivery", "hosts", "login", "payments", "queues", "services")


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


RULES = {
    rule["alert"]: rule for file in RULE_FILES for group in read(file)["groups"] for rule in group["rules"]
}
ROUTING = read(FOLDER / "routing.yml")


def promtool(binaries: FoundServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*binaries.command("promtool", folders=(FOLDER,)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_there_is_a_file_for_each_tier() -> None:
    assert tuple(file.stem for file in RULE_FILES) == TIERS == tuple(file.stem for file in SCENARIOS)


def test_promtool_takes_the_rules(prometheus_binaries: FoundServer) -> None:
    done = promtool(prometheus_binaries, "check", "rules", *map(str, RULE_FILES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda file: file.stem)
def test_each_scenario_ends_as_it_says(prometheus_binaries: FoundServer, scenario: Path) -> None:
    done = promtool(prometheus_binaries, "test", "rules", str(scenario))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tier", TIERS)
def test_a_scenario_notices_a_rule_that_never_fires(
    prometheus_binaries: FoundServer, tmp_path: Path, tier: str
) -> None:
    rules = read(FOLDER / f"{tier}.yml")
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = f"({rule['expr']}) and on () vector(0) > 1"
    (tmp_path / "scenarios").mkdir()
    (tmp_path / f"{tier}.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    scenario = tmp_path / "scenarios" / f"{tier}.yml"
    scenario.write_text((FOLDER / "scenarios" / f"{tier}.yml").read_text(encoding="utf-8"), encoding="utf-8")
    command = [*prometheus_binaries.command("promtool", folders=(tmp_path,)), "test", "rules", str(scenario)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_has_a_scenario_in_which_it_fires_and_resolves_and_one_in_which_it_is_quiet(
    alert: str,
) -> None:
    tests = [test for file in SCENARIOS for test in read(file)["tests"]]
    checks = [
        [
            bool(check["exp_alerts"])
            for check in test.get("alert_rule_test", [])
            if check["alertname"] == alert
        ]
        for test in tests
    ]
    assert any(any(fired) and not fired[0] and not fired[-1] for fired in checks)
    assert any(fired and not any(fired) for fired in checks)


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_says_all_that_a_page_needs(alert: str) -> None:
    rule = RULES[alert]
    assert rule["labels"]["severity"] in ("critical", "error", "warning")
    assert rule["labels"]["owner"]
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "impact", "runbook_url", "dashboard_url"}
    assert annotations["runbook_url"] == f"{{{{ $externalURL }}}}/runbooks/{alert}"
    assert annotations["dashboard_url"] == "{{ $externalURL }}/dashboards/shop"
    assert "{{" in annotations["summary"]


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_has_a_runbook_with_what_to_look_at_and_what_to_do(alert: str) -> None:
    text = (FOLDER / "runbooks" / f"{alert}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {alert}\n")
    for part in ("**Meaning.**", "**Impact.**", "## First looks", "## Mitigation", "## Verify"):
        assert part in text
    assert 15 < len(text.splitlines()) < 40


def test_there_is_no_runbook_without_an_alert() -> None:
    assert {file.stem for file in (FOLDER / "runbooks").glob("*.md")} == set(RULES)


def test_the_engine_takes_the_rules_and_finds_only_what_the_catalogue_names() -> None:
    rules = load_rules((FOLDER,))
    assert {rule.name for rule in rules.alert_rules} == set(RULES)
    assert lint_against_catalogue(rules) == ()
    assert lint(rules) == ()


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_is_about_a_service(alert: str) -> None:
    rule = RULES[alert]
    assert "service_name" in rule["expr"] or "service_name" in rule["labels"]


def test_pages_go_to_the_pagers_and_tickets_to_nobody() -> None:
    route = ROUTING["route"]
    receivers = {receiver.pop("name"): receiver for receiver in read(FOLDER / "routing.yml")["receivers"]}
    assert receivers[route["receiver"]] == {}
    [paging] = route["routes"]
    assert paging["matchers"] == ['severity=~"critical|error"']
    assert set(receivers[paging["receiver"]]) == {"pagerduty_configs", "opsgenie_configs"}


def test_the_routing_holds_no_key() -> None:
    on_call = next(receiver for receiver in ROUTING["receivers"] if receiver["name"] == "on-call")
    pagers = [*on_call["pagerduty_configs"], *on_call["opsgenie_configs"]]
    for pager in pagers:
        assert not {"routing_key", "service_key", "api_key"} & set(pager)
        assert next(value for key, value in pager.items() if key.endswith("_file")).startswith(
            "/run/secrets/"
        )
