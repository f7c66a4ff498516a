"""What loads and is a mistake nevertheless."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopwatch_engine.definitions import load_routing, load_rules
from shopwatch_engine.definitions.catalogue_lint import lint_against_catalogue
from shopwatch_engine.definitions.lint import lint
from shopwatch_engine.model import Finding, RuleSet


def rules_of(folder: Path, *rules: str) -> RuleSet:
    inside = "".join(f"      - {rule}\n" for rule in rules)
    (folder / "rules.yml").write_text(f"groups:\n  - name: g\n    rules:\n{inside}")
    return load_rules([folder / "rules.yml"])


def routes(folder: Path, *routes: str, receivers: str = "[{name: a}]") -> tuple[Finding, ...]:
    inside = "".join(f"    - {route}\n" for route in routes)
    text = f"route:\n  receiver: a\n  routes:\n{inside}receivers: {receivers}\n"
    (folder / "routing.yml").write_text(text)
    return lint(RuleSet(), load_routing(folder / "routing.yml"))


def test_what_a_page_must_say(tmp_path: Path) -> None:
    full = "labels: {severity: error, owner: x}, annotations: {summary: s, runbook_url: u}"
    found = lint(
        rules_of(
            tmp_path,
            f"{{alert: Full, expr: up, {full}}}",
            "{alert: Bare, expr: up}",
            "{record: a, expr: up}",
        )
    )
    assert {(one.position.line, one.code) for one in found} == {
        (5, "missing-label"),
        (5, "missing-annotation"),
    }
    assert [one.message.rpartition(" ")[2] for one in found] == [
        "severity",
        "owner",
        "summary",
        "runbook_url",
    ]


def test_functions_that_are_not_evaluated(tmp_path: Path) -> None:
    found = lint(
        rules_of(
            tmp_path,
            "{alert: A, expr: up, annotations: {x: '{{ with query `up` }}{{ . | first | value }}{{ end }}'}}",
            "{alert: B, expr: up, annotations: {x: '{{ $labels.query }} {{ \"query\" }} query'}}",
        )
    )
    told = [one.message for one in found if one.code == "unsupported"]
    assert len(told) == 3
    assert all("alert 'A': x calls " in one for one in told)


@pytest.mark.parametrize(
    ("before", "after", "reached"),
    [
        pytest.param("{matchers: [a=b]}", "{matchers: [a=b]}", False, id="the same"),
        pytest.param("{matchers: [a=b]}", "{matchers: [a=b, c=d]}", False, id="more narrow"),
        pytest.param("{matchers: ['a=~b|c']}", "{matchers: [a=c]}", False, id="expression that fits"),
        pytest.param("{matchers: [a!=x]}", "{matchers: [a=c]}", False, id="negation that fits"),
        pytest.param("{receiver: a}", "{matchers: [a=c]}", False, id="takes everything"),
        pytest.param("{matchers: [a=b], continue: true}", "{matchers: [a=b]}", True, id="continues"),
        pytest.param("{matchers: [a=b, c=d]}", "{matchers: [a=b]}", True, id="wider"),
        pytest.param("{matchers: ['a=~b.*']}", "{matchers: ['a=~bc']}", True, id="not sure"),
        pytest.param("{matchers: [a=b]}", "{matchers: [a=c]}", True, id="another value"),
    ],
)
def test_routes_that_nothing_reaches(tmp_path: Path, before: str, after: str, *, reached: bool) -> None:
    found = routes(tmp_path, before, after)
    assert [(one.code, one.position.line) for one in found] == ([] if reached else [("unreachable-route", 5)])


def test_receivers_that_no_route_uses(tmp_path: Path) -> None:
    found = routes(tmp_path, "{receiver: b}", receivers="[{name: a}, {name: b}, {name: c}]")
    assert [(one.code, one.message) for one in found] == [("unused-receiver", "receiver 'c' is in no route")]


@pytest.mark.parametrize(
    ("expr", "codes", "said"),
    [
        pytest.param("up == 0", [], "", id="Prometheus' own"),
        pytest.param(
            'sum by (service_name, le) (rate(http_server_request_duration_seconds_bucket{job="x"}[5m]))',
            [],
            "",
            id="a histogram",
        ),
        pytest.param(
            "http_requests_total > 1", ["unknown-metric"], "metric http_requests_total", id="metric"
        ),
        pytest.param(
            "shopwatch_order_total > 1", ["unknown-metric"], "mean shopwatch_orders_total?", id="near"
        ),
        pytest.param(
            'shopwatch_orders_total{outcom="x"} > 1', ["unknown-label"], "no label outcom", id="label"
        ),
        pytest.param("sum by (pod) (up)", ["unknown-label"], "up has no label pod", id="by"),
        pytest.param('sum by (x) (label_replace(up, "x", "$1", "job", "(.*)"))', [], "", id="made label"),
        pytest.param("my:record:sum", [], "", id="recorded"),
        pytest.param("absent(sum by (zone) (my:record:sum))", [], "", id="recorded with any label"),
        pytest.param('{__name__=~"a|b"} > 0', [], "", id="no name"),
    ],
)
def test_against_the_catalogue(tmp_path: Path, expr: str, codes: list[str], said: str) -> None:
    rules = rules_of(
        tmp_path, f"alert: A\n        expr: {expr!r}", "{record: 'my:record:sum', expr: sum(up)}"
    )
    found = lint_against_catalogue(rules)
    assert [one.code for one in found] == codes
    assert said in "".join(map(str, found))
