from __future__ import annotations

from typing import Any

import pytest

from shopwatch_engine.demo.acceleration import (
    PagerAccess,
    aimed_routing,
    quickened_routing,
    quickened_rules,
    shortened,
)

ACCESS = PagerAccess(
    pagerduty_url="http://127.0.0.1:1/v2/enqueue",
    opsgenie_api_url="http://127.0.0.1:1/",
    pagerduty_key_file="keys/pagerduty",
    opsgenie_key_file="keys/opsgenie",
)


def rule_file(**rule: Any) -> dict[str, Any]:
    return {
        "groups": [{"name": "g", "interval": "15s", "rules": [{"alert": "A", "expr": "up == 0", **rule}]}]
    }


@pytest.mark.parametrize(
    ("text", "factor", "expected"),
    [
        pytest.param("1m", 15, "4s", id="a minute"),
        pytest.param("15s", 15, "1s", id="a scrape"),
        pytest.param("1m30s", 15, "6s", id="two units"),
        pytest.param("1s", 15, "67ms", id="to the millisecond"),
        pytest.param("1ms", 15, "1ms", id="never to nothing"),
        pytest.param("0s", 15, "0s", id="nothing stays nothing"),
    ],
)
def test_a_duration_is_divided(text: str, factor: float, expected: str) -> None:
    assert shortened(text, factor) == expected


def test_every_duration_of_a_rule_is_divided_and_nothing_else() -> None:
    given = rule_file(
        **{
            "for": "30s",
            "keep_firing_for": "5m",
            "expr": 'sum(rate(x_total{path="[5m]"}[1m])) > 60',
            "labels": {"severity": "critical"},
        }
    )
    group = quickened_rules(given, 15)["groups"][0]
    assert group["interval"] == "1s"
    assert group["rules"] == [
        {
            "alert": "A",
            "expr": 'sum(rate(x_total{path="[5m]"}[4s])) > 60',
            "for": "2s",
            "keep_firing_for": "20s",
            "labels": {"severity": "critical"},
        }
    ]


def test_the_document_that_was_given_stays_as_it_was() -> None:
    given = rule_file(**{"for": "30s"})
    quickened_rules(given, 15)
    assert given == rule_file(**{"for": "30s"})


def test_a_group_without_an_interval_gets_prometheus_default_divided() -> None:
    quick = quickened_rules({"groups": [{"name": "g", "rules": []}]}, 15)
    assert quick["groups"][0]["interval"] == "4s"


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        pytest.param({"for": "soon"}, "group g, rule A: for: ", id="duration"),
        pytest.param({"expr": "up =="}, "group g, rule A: expr: ", id="expression"),
    ],
)
def test_a_mistake_is_named_with_its_group_and_rule(rule: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        quickened_rules(rule_file(**rule), 15)


def test_a_route_gets_alertmanagers_defaults_divided_and_its_children_only_what_they_say() -> None:
    given = {
        "route": {"receiver": "a", "group_wait": "0s", "routes": [{"receiver": "b", "group_wait": "15s"}]}
    }
    assert quickened_routing(given, 15)["route"] == {
        "receiver": "a",
        "group_wait": "0s",
        "group_interval": "20s",
        "repeat_interval": "16m",
        "routes": [{"receiver": "b", "group_wait": "1s"}],
    }


def test_all_pagers_are_aimed_at_the_given_addresses_and_no_key_of_the_original_is_left() -> None:
    given = {
        "global": {"resolve_timeout": "5m", "opsgenie_api_key": "secret", "pagerduty_url": "https://x"},
        "receivers": [
            {"name": "nobody"},
            {
                "name": "on-call",
                "pagerduty_configs": [{"routing_key": "secret", "url": "https://x", "severity": "error"}],
                "opsgenie_configs": [{"api_key": "secret", "api_url": "https://x"}],
            },
        ],
    }
    aimed = aimed_routing(given, ACCESS)
    assert "secret" not in str(aimed)
    assert aimed["global"] == {"resolve_timeout": "5m"}
    assert aimed["receivers"] == [
        {"name": "nobody"},
        {
            "name": "on-call",
            "pagerduty_configs": [
                {
                    "severity": "error",
                    "url": "http://127.0.0.1:1/v2/enqueue",
                    "routing_key_file": "keys/pagerduty",
                }
            ],
            "opsgenie_configs": [{"api_url": "http://127.0.0.1:1/", "api_key_file": "keys/opsgenie"}],
        },
    ]
