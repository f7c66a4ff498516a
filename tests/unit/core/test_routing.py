"""Routes and groups as Alertmanager means them, and keys that two engines agree on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from alert_values import labels, route
from shopwatch_engine.core.routing import dedup_key, groups_of
from shopwatch_engine.model import LabelSet, Route
from shopwatch_engine.model.routing import MatchSpec


def match(name: str, value: str, operator: str = "=") -> MatchSpec:
    return MatchSpec(name=name, operator=operator, value=value)


def node(key: str, *matchers: MatchSpec, to: str = "", **fields: object) -> Route:
    return route(key=key, receiver=to or key, matchers=matchers, **fields)


TREE = node(
    "root",
    routes=(
        node("audit", match("severity", "critical|error", "=~"), continue_=True),
        node(
            "payments",
            match("team", "payments"),
            routes=(
                node("payments-night", match("shift", "night"), continue_=True),
                node("payments-critical", match("severity", "critical")),
            ),
        ),
        node("not-test", match("env", "test", "!="), match("team", "shop")),
        node("shop-too", match("team", "shop"), continue_=True),
        node("last", match("team", "shop|search", "=~")),
    ),
)
"""The tree that the table below walks."""

WALKS = {
    "a later sibling matches": (labels(team="search", severity="info", x="1"), ["last"]),
    "no match at all: the root": (labels(team="data"), ["root"]),
    "no labels: the root": (labels(), ["root"]),
    "continue goes on to the next sibling": (labels(team="search", severity="error"), ["audit", "last"]),
    "continue and nothing after it": (labels(severity="critical"), ["audit"]),
    "a matching child without a matching grandchild": (labels(team="payments"), ["payments"]),
    "the deepest match": (labels(team="payments", severity="info", shift="night"), ["payments-night"]),
    "continue among grandchildren": (
        labels(team="payments", severity="critical", shift="night"),
        ["audit", "payments-night", "payments-critical"],
    ),
    "the first match ends it": (labels(team="shop", env="prod"), ["not-test"]),
    "a label that is not there is empty, so != matches": (labels(team="shop"), ["not-test"]),
    "all matchers must match": (labels(team="shop", env="test"), ["shop-too", "last"]),
    "regular expressions are anchored": (labels(team="shop-floor"), ["root"]),
}


@pytest.mark.parametrize(("alert_labels", "receivers"), WALKS.values(), ids=WALKS)
def test_which_routes_an_alert_takes(alert_labels: LabelSet, receivers: list[str]) -> None:
    assert [group.route.receiver for group in groups_of(TREE, alert_labels)] == receivers


def test_a_continue_below_does_not_leak_out_of_its_parent() -> None:
    tree = node(
        "root",
        routes=(
            node("a", match("x", "1"), routes=(node("a1", match("x", "1"), continue_=True),)),
            node("b", match("x", "1")),
        ),
    )
    assert [group.route.key for group in groups_of(tree, labels(x="1"))] == ["a1"]


LABELS = labels(alertname="Slow", service="orders", zone="a")
GROUPINGS = {
    "by nothing: one group of all": (route(), labels()),
    "by labels": (route(group_by=("service", "alertname")), labels(alertname="Slow", service="orders")),
    "by a label it has not": (route(group_by=("team",)), labels()),
    "by all": (route(group_by_all=True), LABELS),
}


@pytest.mark.parametrize(("root", "wanted"), GROUPINGS.values(), ids=GROUPINGS)
def test_the_labels_of_a_group(root: Route, wanted: LabelSet) -> None:
    (group,) = groups_of(root, LABELS)
    assert group.labels == wanted
    assert group.dedup_key == dedup_key(root, wanted)


def test_alerts_that_differ_only_in_other_labels_share_a_group() -> None:
    root = route(group_by=("service",))
    keys = {groups_of(root, labels(service="orders", zone=zone))[0].dedup_key for zone in "abc"}
    assert len(keys) == 1


DIFFERENT = {
    "another receiver": (route(receiver="other"), labels(service="orders")),
    "another route": (route(key='{}/{team="x"}'), labels(service="orders")),
    "another value": (route(), labels(service="payments")),
    "another name": (route(), labels(server="orders")),
    "no labels": (route(), labels()),
    "name and value run together": (route(), labels(serviceo="rders")),
}


@pytest.mark.parametrize(("other", "group_labels"), DIFFERENT.values(), ids=DIFFERENT)
def test_another_group_has_another_key(other: Route, group_labels: LabelSet) -> None:
    assert dedup_key(other, group_labels) != dedup_key(route(), labels(service="orders"))


def test_times_and_grouping_do_not_change_the_key() -> None:
    changed = route(group_wait_s=1.0, group_interval_s=2.0, repeat_interval_s=3.0, group_by=("service",))
    assert dedup_key(changed, labels(service="orders")) == dedup_key(route(), labels(service="orders"))


def test_the_order_in_which_labels_are_given_does_not_change_the_key() -> None:
    one, other = LabelSet.of({"a": "1", "b": "2"}), LabelSet.of({"b": "2", "a": "1"})
    assert dedup_key(route(), one) == dedup_key(route(), other)


def test_a_key_fits_every_pager() -> None:
    key = dedup_key(route(), LabelSet.of({"long": "x" * 10_000, "half": "\ud800", "nul": "\0"}))
    assert len(key) == 42
    assert key.isascii()


_OTHER_PROCESS = """
from shopwatch_engine.core.routing import dedup_key
from shopwatch_engine.model import LabelSet, Route
print(dedup_key(Route(key="{}", receiver="on-call"), LabelSet.of({"service": "orders", "zone": "ä"})))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_makes_the_same_key(hash_seed: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _OTHER_PROCESS],
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.strip() == dedup_key(route(), labels(service="orders", zone="ä"))
