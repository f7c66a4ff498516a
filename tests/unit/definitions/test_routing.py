"""A routing file as Alertmanager means it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopwatch_engine.definitions import load_routing
from shopwatch_engine.definitions.routing_schema import OPSGENIE_URL, PAGERDUTY_URL
from shopwatch_engine.model import PagerKind, Routing

GOOD = Path(__file__).parents[2] / "data" / "good"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def routing() -> Routing:
    return load_routing(GOOD / "alertmanager.yml")


def loaded(folder: Path, text: str) -> Routing:
    (folder / "routing.yml").write_text(text)
    return load_routing(folder / "routing.yml")


def test_keys_are_alertmanagers(routing: Routing) -> None:
    critical, platform = routing.root.routes
    assert routing.root.key == "{}"
    assert critical.key == '{}/{severity="critical",team=~"shop|payments"}'
    assert critical.routes[0].key == f'{critical.key}/{{region=~"eu-.+",service="payments"}}'
    assert platform.key == '{}/{severity!~"info|none",team="platform"}'


def test_what_a_route_leaves_out_it_inherits(routing: Routing) -> None:
    root, critical, platform = routing.root, *routing.root.routes
    payments = critical.routes[0]
    assert (root.receiver, critical.receiver, payments.receiver) == ("tickets", "on-call", "on-call")
    assert (root.group_by, critical.group_by, payments.group_by) == (("alertname", "service"),) * 2 + ((),)
    assert (platform.group_by, platform.group_by_all, critical.group_by_all) == ((), True, False)
    assert [one.group_wait_s for one in (root, critical, payments, platform)] == [10.0] * 4
    assert [one.group_interval_s for one in (root, critical, payments)] == [300.0, 300.0, 60.0]
    assert [one.repeat_interval_s for one in (root, critical, payments)] == [14400.0, 3600.0, 3600.0]
    assert [one.continue_ for one in (root, critical, payments)] == [False, True, False]


def test_pagers(routing: Routing) -> None:
    pagers = routing.integrations
    assert list(pagers) == [
        "on-call/pagerduty/0",
        "on-call/pagerduty/1",
        "on-call/opsgenie/0",
        "platform/opsgenie/0",
    ]
    first, second, opsgenie, own = pagers.values()
    assert [one.kind for one in pagers.values()] == [PagerKind.PAGERDUTY] * 2 + [PagerKind.OPSGENIE] * 2
    assert (first.url, second.url) == (PAGERDUTY_URL, "http://127.0.0.1:9096/v2/enqueue")
    assert (opsgenie.url, own.url) == (OPSGENIE_URL, "http://127.0.0.1:9097/")
    assert (first.send_resolved, second.send_resolved) == (True, False)
    assert first.templates["class"] == "{{ .CommonLabels.alertname }}"
    assert first.templates["details.count"] == "{{ len .Alerts }}"
    assert opsgenie.templates["tags"] == "shop,payments"
    assert routing.receivers["tickets"].integrations == ()


def test_keys_of_pagers_come_from_beside_the_file_and_stay_unseen(routing: Routing) -> None:
    keys = [one.key.reveal() for one in routing.integrations.values()]
    assert keys == ["abcdef0123456789abcdef0123456789", KEY, "a-key-for-opsgenie", "its-own-key"]
    assert not any(key in repr(routing) for key in keys)


def test_addresses_fall_back_on_the_global_ones(tmp_path: Path) -> None:
    routing = loaded(
        tmp_path,
        f"""
global: {{pagerduty_url: "http://127.0.0.1:1/pd", opsgenie_api_url: "http://127.0.0.1:2/"}}
route: {{receiver: all}}
receivers:
  - name: all
    pagerduty_configs: [{{routing_key: {KEY}}}]
    opsgenie_configs: [{{api_key: k}}]
""",
    )
    assert [one.url for one in routing.integrations.values()] == [
        "http://127.0.0.1:1/pd",
        "http://127.0.0.1:2/",
    ]


def test_the_smallest_file(tmp_path: Path) -> None:
    routing = loaded(tmp_path, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    assert routing.root.receiver == "nobody"
    assert (routing.root.group_wait_s, routing.root.group_interval_s) == (30.0, 300.0)
    assert routing.root.repeat_interval_s == 14400.0
