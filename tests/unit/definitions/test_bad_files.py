"""Each mistake that a file can hold: its code, its line, nothing else, and no secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shopwatch_engine.definitions import load_routing, load_rules, load_settings
from shopwatch_engine.exceptions import DefinitionError
from shopwatch_engine.model import Finding

BAD = Path(__file__).parents[2] / "data" / "bad"

Expected = list[tuple[int, str]]

RULES: dict[str, Expected] = {
    "unparsable.yml": [(6, "bad-yaml")],
    "tab.yml": [(3, "bad-yaml")],
    "unclosed_quote.yml": [(2, "bad-yaml")],
    "control_character.yml": [(2, "bad-yaml")],
    "two_documents.yml": [(2, "bad-yaml")],
    "endless.yml": [(2, "bad-yaml")],
    "not_utf8.yml": [(2, "unreadable")],
    "unknown_keys.yml": [
        (3, "unknown-key"),
        (7, "unknown-key"),
        (9, "unknown-key"),
        (10, "unknown-key"),
    ],
    "wrong_durations.yml": [
        (3, "bad-duration"),
        (7, "bad-duration"),
        (10, "bad-duration"),
        (11, "bad-duration"),
        (14, "wrong-type"),
    ],
    "bad_promql.yml": [(line, "bad-expr") for line in (5, 7, 9, 11, 13, 15, 17, 22)],
    "duplicate_alerts.yml": [(12, "duplicate-alert"), (15, "duplicate-alert"), (18, "duplicate-group")],
    "duplicate_keys.yml": [(6, "duplicate-key"), (9, "duplicate-key"), (10, "duplicate-key")],
    "bad_templates.yml": [(line, "bad-template") for line in (7, 9, 10, 11)],
    "bad_labels.yml": [
        (4, "bad-label"),
        (9, "bad-label"),
        (10, "bad-label"),
        (11, "wrong-type"),
        (13, "bad-label"),
    ],
    "bad_rules.yml": [
        (4, "missing-field"),
        (6, "bad-rule"),
        (10, "bad-rule"),
        (11, "bad-rule"),
        (12, "bad-rule"),
        (13, "bad-rule"),
        (15, "missing-field"),
        (16, "missing-field"),
        (18, "wrong-type"),
        (19, "missing-field"),
        (21, "wrong-type"),
        (22, "wrong-type"),
    ],
    "wrong_shapes.yml": [(2, "wrong-type")],
    "not_rules.yml": [(1, "not-a-rule-file")],
    "kubernetes_object.yml": [(1, "not-a-rule-file")],
    "empty.yml": [(1, "not-a-rule-file")],
}
ROUTING: dict[str, Expected] = {
    "unparsable.yml": [(2, "bad-yaml")],
    "a_list.yml": [(1, "wrong-type")],
    "no_route.yml": [(1, "missing-field")],
    "missing_receivers.yml": [(line, "missing-receiver") for line in (2, 4, 7)],
    "missing_keys.yml": [
        (5, "missing-pager-key"),
        (6, "missing-pager-key"),
        (7, "missing-pager-key"),
        (8, "missing-pager-key"),
        (9, "bad-pager-key"),
        (11, "bad-pager-key"),
        (13, "missing-pager-key"),
    ],
    "root_route.yml": [
        (2, "missing-field"),
        (2, "bad-route"),
        (3, "bad-route"),
        (8, "duplicate-receiver"),
    ],
    "unsupported.yml": [(line, "unsupported") for line in (2, 3, 9, 12, 13, 16, 19, 20, 22)],
    "unknown_keys.yml": [(line, "unknown-key") for line in (2, 4, 9, 10)],
    "bad_values.yml": [
        (2, "bad-url"),
        (5, "bad-duration"),
        (6, "bad-duration"),
        (7, "bad-route"),
        (9, "bad-matcher"),
        (10, "bad-matcher"),
        (11, "bad-matcher"),
        (12, "bad-matcher"),
        (13, "bad-route"),
        (14, "wrong-type"),
        (15, "wrong-type"),
        (20, "bad-url"),
        (21, "bad-template"),
        (23, "bad-template"),
        (26, "bad-template"),
    ],
}
SETTINGS: dict[str, Expected] = {
    "text.yml": [(1, "bad-setting")],
    "wrong.yml": [
        *((line, "bad-setting") for line in range(1, 8)),
        (8, "unknown-key"),
    ],
}


def findings(load: Callable[[Path], Any], file: Path) -> list[Finding]:
    with pytest.raises(DefinitionError) as caught:
        load(file)
    return [one for one in caught.value.findings if isinstance(one, Finding)]


def places(found: list[Finding]) -> Expected:
    return [(one.position.line, one.code) for one in found]


def test_every_bad_file_is_in_a_table() -> None:
    for folder, table in (("rules", RULES), ("routing", ROUTING), ("settings", SETTINGS)):
        assert {file.name for file in (BAD / folder).glob("*.yml")} == set(table)


@pytest.mark.parametrize("name", RULES)
def test_rules(name: str) -> None:
    found = findings(lambda file: load_rules([file]), BAD / "rules" / name)
    assert places(found) == RULES[name]


@pytest.mark.parametrize("name", ROUTING)
def test_routing(name: str) -> None:
    found = findings(load_routing, BAD / "routing" / name)
    assert places(found) == ROUTING[name]
    assert not any(key in str(found) for key in ("tooshort", "0123456789abcdef", "some-key", "secret"))


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name: str) -> None:
    found = findings(lambda file: load_settings(file, {}), BAD / "settings" / name)
    assert places(found) == SETTINGS[name]
    assert "hidden-word" not in str(found)


@pytest.mark.parametrize(
    ("load", "name", "line", "said"),
    [
        pytest.param("rules", "unknown_keys.yml", 3, "did you mean interval?", id="nearest key"),
        pytest.param("rules", "unknown_keys.yml", 7, "alert 'Down': anotations", id="whose key"),
        pytest.param("rules", "unknown_keys.yml", 9, "known here: alert, record, expr, for", id="known keys"),
        pytest.param("rules", "wrong_durations.yml", 7, "'5 minutes' is not a duration", id="value"),
        pytest.param("rules", "bad_promql.yml", 7, "unknown function with name 'ratee'", id="PromQL"),
        pytest.param("rules", "bad_templates.yml", 10, "column 4: undefined variable '$label'", id="text"),
        pytest.param("rules", "duplicate_alerts.yml", 12, "line 6", id="the other alert"),
        pytest.param("rules", "kubernetes_object.yml", 1, "under spec:", id="Kubernetes object"),
        pytest.param("routing", "missing_receivers.yml", 2, "did you mean 'on-call'?", id="nearest receiver"),
        pytest.param("routing", "missing_keys.yml", 7, "routing_key_file: the file ", id="key file"),
        pytest.param("routing", "missing_keys.yml", 9, "has 31 characters: expected 32", id="key's length"),
        pytest.param("routing", "unsupported.yml", 12, "slack_configs is a key of Alertm", id="kind"),
    ],
)  # fmt: skip
def test_says(load: str, name: str, line: int, said: str) -> None:
    loader: Callable[[Path], Any] = load_routing if load == "routing" else lambda file: load_rules([file])
    [one] = [one for one in findings(loader, BAD / load / name) if one.position.line == line]
    assert said in str(one)
    assert str(one).startswith(f"{BAD / load / name}:{line}:")
    assert one.remedy


def test_all_files_are_told_of_at_once() -> None:
    found = findings(lambda folder: load_rules([folder]), BAD / "rules")
    assert {Path(one.position.file).name for one in found} == set(RULES)
