from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from shopwatch import catalogue
from shopwatch.exposition import expose
from shopwatch.metrics import Instruments


def instruments(registry: Any, *, service: Any = "orders", cap: Any = 100) -> Any:
    return Instruments(registry, service=service, version="1", track="stable", max_series=cap)


def samples(registry: Any, name: Any) -> Any:
    return [sample for family in registry.collect() for sample in family.samples if sample.name == name]


def test_every_service_metric_is_exposed_under_the_catalogues_names() -> None:
    registry = CollectorRegistry()
    made = instruments(registry)
    for metric in catalogue.SERVICE_METRICS:
        made.bound(metric).series(("x",) * len(metric.attributes))
    made.describe_target({"service.name": "orders"})
    families = list(parse_text(expose(registry, "").body.decode()))
    emitted = {sample.name for family in families for sample in family.samples}
    wanted = {name for metric in catalogue.SERVICE_METRICS for name in metric.series_names}
    assert emitted == wanted | {"target_info"}
    by_name = {sample.name: sample.labels for family in families for sample in family.samples}
    for metric in catalogue.SERVICE_METRICS:
        labels = set(by_name[metric.series_names[-1]]) - {"le"}
        assert labels == {"service_name", "service_version", "shopwatch_track", *metric.labels}


def test_what_is_over_the_cap_is_folded_and_counted() -> None:
    registry = CollectorRegistry()
    orders = instruments(registry, cap=3).bound(catalogue.ORDERS)
    for number in range(10):
        orders.series((f"outcome-{number}",)).inc()
    found = {
        sample.labels["shopwatch_outcome"]: sample.value
        for sample in samples(registry, "shopwatch_orders_total")
    }
    assert found == {"outcome-0": 1, "outcome-1": 1, "outcome-2": 1, "_overflow": 7}
    (folded,) = samples(registry, catalogue.SERIES_FOLDED.prometheus_name)
    assert folded.value == 7


def test_two_services_may_share_a_registry() -> None:
    registry = CollectorRegistry()
    for service in ("orders", "payments"):
        instruments(registry, service=service).bound(catalogue.ORDERS).series(("placed",)).inc()
    assert {sample.labels["service_name"] for sample in samples(registry, "shopwatch_orders_total")} == {
        "orders",
        "payments",
    }


def test_a_name_that_the_host_took_is_said_and_does_not_fail(caplog: Any) -> None:
    registry = CollectorRegistry()
    Counter("shopwatch_orders", "of the host", registry=registry)
    made = instruments(registry)
    made.bound(catalogue.ORDERS).series(("placed",)).inc()
    assert "shopwatch_orders_total" in caplog.text


@pytest.mark.parametrize(
    "accept", ["", "application/openmetrics-text;version=1.0.0"], ids=["text", "openmetrics"]
)
@pytest.mark.parametrize(
    "value",
    [
        "new\nline",
        'quo"te',
        "back\\slash",
        "nul\0",
        "\udcff\udcfe",
        "carriage\rreturn",
        "\u2028",
        "x" * 10_000,
    ],
    ids=["newline", "quote", "backslash", "nul", "broken-utf8", "return", "separator", "long"],
)
def test_hostile_label_values_never_break_a_scrape(accept: Any, value: Any) -> None:
    registry = CollectorRegistry()
    instruments(registry).bound(catalogue.ORDERS).series((value,)).inc()
    made = expose(registry, accept)
    body, content_type = made.body, made.content_type
    parse = parse_openmetrics if "openmetrics" in content_type else parse_text
    found = [
        sample.labels["shopwatch_outcome"]
        for family in parse(body.decode())
        for sample in family.samples
        if sample.name == "shopwatch_orders_total"
    ]
    assert len(found) == 1
    assert len(found[0]) <= 512
    assert b"\0" not in body
