from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shopwatch import catalogue, record
from shopwatch.exceptions import UnknownName
from shopwatch.testing import watch


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


@pytest.fixture
def watched() -> Iterator[Any]:
    with watch(app) as found:
        yield found


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"name": "products", "result": "miss"}, id="last-part"),
        pytest.param({"cache_name": "products", "cache_result": "miss"}, id="without-prefix"),
        pytest.param({"shopwatch_cache_name": "products", "shopwatch_cache_result": "miss"}, id="whole"),
    ],
)
def test_a_label_is_named_by_the_end_of_its_attribute(watched: Any, labels: Any) -> None:
    record(catalogue.CACHE_REQUESTS, 2, **labels)
    record(catalogue.CACHE_REQUESTS, **labels)
    assert (
        watched.value(
            catalogue.CACHE_REQUESTS, shopwatch_cache_name="products", shopwatch_cache_result="miss"
        )
        == 3
    )


def test_a_gauge_is_set(watched: Any) -> None:
    record(catalogue.QUEUE_MESSAGES, 5, destination_name="orders")
    record(catalogue.QUEUE_MESSAGES, 3, destination_name="orders")
    assert watched.value(catalogue.QUEUE_MESSAGES, messaging_destination_name="orders") == 3


def test_a_histogram_observes_and_a_label_left_out_is_empty(watched: Any) -> None:
    record(catalogue.DB_CLIENT_DURATION, 0.2, system_name="sqlite", operation_name="SELECT")
    assert watched.value(catalogue.DB_CLIENT_DURATION, db_system_name="sqlite", error_type="") == 1


@pytest.mark.parametrize(
    ("metric", "labels", "says"),
    [
        pytest.param(catalogue.ORDERS, {"result": "placed"}, "is none of", id="unknown-label"),
        pytest.param(catalogue.DB_CLIENT_DURATION, {"name": "x"}, "more than one of", id="ambiguous-label"),
        pytest.param(catalogue.ORDERS, {"come": "placed"}, "is none of", id="part-of-a-part"),
        pytest.param(
            catalogue.ORDERS, {"outcome": "a", "shopwatch_outcome": "b"}, "the same attribute", id="twice"
        ),
        pytest.param(catalogue.ENGINE_ALERTS, {}, "not one that a service records", id="engine-metric"),
        pytest.param(
            catalogue.Metric(name="mine", kind=catalogue.Kind.COUNTER, unit="1", description="x"),
            {},
            "not one that a service records",
            id="not-in-the-catalogue",
        ),
    ],
)
@pytest.mark.usefixtures("watched")
def test_a_wrong_name_is_a_mistake_that_shows(metric: Any, labels: Any, says: Any) -> None:
    with pytest.raises(UnknownName, match=says):
        record(metric, **labels)


def test_a_wrong_value_never_reaches_the_service(watched: Any) -> None:
    record(catalogue.ORDERS, -1, outcome="placed")
    assert watched.value(catalogue.TELEMETRY_ERRORS) == 1


def test_a_business_event_is_noted_on_the_current_span(watched: Any) -> None:
    with watched.telemetry.tracer.start_as_current_span("checkout"):
        record(catalogue.ORDERS, outcome="placed")
    (event,) = watched.spans("checkout")[0].events
    assert (event.name, dict(event.attributes)) == (
        "shopwatch.orders",
        {"shopwatch.outcome": "placed", "shopwatch.value": 1.0},
    )
