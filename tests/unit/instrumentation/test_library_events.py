"""Business events: one call, three signals; and those that a team declares itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from library_server import eventually, serving
from shopwatch import catalogue, record
from shopwatch.catalogue import (
    EVENTS,
    Backup,
    Event,
    Kind,
    Metric,
    Order,
    Payment,
    declare,
    detail,
    label,
    measured,
)
from shopwatch.exceptions import InvalidDeclaration
from shopwatch.testing import Watched, watch


@pytest.fixture
def watched() -> Iterator[Watched[FastAPI]]:
    app = FastAPI()

    @app.post("/pay")
    async def pay() -> None:
        record(Payment(provider="stripe", outcome="approved", amount=12.5, currency="EUR", order_id="o-7"))

    with watch(app, service="payments") as found:
        yield found


def test_one_call_gives_metrics_the_spans_event_and_the_lines_fields(watched: Watched[FastAPI]) -> None:
    with serving(watched.app) as url:
        assert httpx.post(f"{url}/pay", trust_env=False).status_code == 200
    labels = {"shopwatch_payment_provider": "stripe", "shopwatch_outcome": "approved"}
    assert watched.value(catalogue.PAYMENTS, **labels) == 1
    assert watched.value(catalogue.PAYMENT_AMOUNT, shopwatch_currency="EUR", **labels) == 1
    (span,) = watched.spans("POST /pay")
    (event,) = span.events
    said = {
        "shopwatch.payment.provider": "stripe",
        "shopwatch.outcome": "approved",
        "shopwatch.payment.amount": 12.5,
        "shopwatch.currency": "EUR",
        "shopwatch.order.id": "o-7",
    }
    assert (event.name, dict(event.attributes or {})) == ("shopwatch.payment", said)
    (line,) = watched.logs(catalogue.ACCESS_LOGGER)
    assert said.items() <= dict(line.log_record.attributes or {}).items()


def test_outside_a_request_an_event_leaves_a_line_of_its_own(watched: Watched[FastAPI]) -> None:
    record(Backup(target="orders", outcome="success", size=1_000, completed=1_700_000_000.0))
    target = {"shopwatch_backup_target": "orders"}
    assert watched.value(catalogue.BACKUPS, **target) == 1
    assert watched.value(catalogue.BACKUP_SIZE, **target) == 1_000
    assert watched.value(catalogue.BACKUP_COMPLETED, **target) == 1_700_000_000
    assert watched.value(catalogue.BACKUP_DURATION) == 0
    (line,) = eventually(lambda: watched.logs(catalogue.EVENT_LOGGER))
    assert line.log_record.body == "shopwatch.backup"
    assert dict(line.log_record.attributes or {})["shopwatch.backup.size"] == 1_000


def test_a_value_that_is_no_choice_is_other_and_loses_nothing(watched: Watched[FastAPI]) -> None:
    record(Order(outcome="gone wrong"))  # type: ignore[arg-type]
    assert watched.value(catalogue.ORDERS, shopwatch_outcome=catalogue.OTHER) == 1


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_event_of_the_catalogue_is_whole(event: type[Event]) -> None:
    shape = event.shape()
    assert event.__doc__
    assert event.counts is not None or shape.measures
    recorded = [metric for metric in (event.counts, *shape.measures.values()) if metric is not None]
    assert all(catalogue.is_of_services(metric) for metric in recorded)


# ---------------------------------------------------------------- a team's own
def own(name: str = "", **changes: Any) -> Metric:
    unique = name or f"gift.cards_{uuid4().hex[:8]}"
    return Metric(
        **{
            "name": unique,
            "kind": Kind.COUNTER,
            "unit": "{card}",
            "description": "Gift cards sold.",
            "attributes": ("gift.card.design",),
            **changes,
        }
    )


def test_a_teams_own_event_is_recorded_like_the_catalogues(watched: Watched[FastAPI]) -> None:
    cards = own()
    value = own(kind=Kind.HISTOGRAM, attributes=(), buckets=(1.0, 10.0))

    @dataclass(frozen=True, slots=True, kw_only=True)
    class GiftCardSold(Event):
        """A gift card was sold."""

        name: ClassVar[str] = "gift.card.sold"
        counts: ClassVar[Metric | None] = cards
        design: Literal["birthday", "wedding"] = label("gift.card.design")
        worth: float = measured(value)
        code: str = detail("gift.card.code", default="")

    record(GiftCardSold(design="wedding", worth=5))
    assert watched.value(cards, gift_card_design="wedding", service_name="payments") == 1
    assert watched.value(value) == 1
    assert cards.prometheus_name in catalogue.SERIES


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (own("shopwatch.gift.cards"), "not yours to name"),
        (own("GiftCards"), "is no name"),
        (own("gift"), "is no name"),
        (own(attributes=("Design",)), "is no name"),
        (own("process.cpu.time"), "not yours to name"),
    ],
    ids=["reserved", "case", "one-word", "attribute", "convention"],
)
def test_a_metric_that_cannot_be_declared_says_why(metric: Metric, said: str) -> None:
    with pytest.raises(InvalidDeclaration, match=said):
        declare(metric)


def test_two_metrics_cannot_share_a_name_in_prometheus() -> None:
    first = declare(own())
    with pytest.raises(InvalidDeclaration, match="is another metric"):
        declare(own(first.name, unit="{other}", description="Something else."))


def test_an_event_whose_metric_lacks_a_label_says_which() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Sold(Event):
        name: ClassVar[str] = "gift.card.sold"
        counts: ClassVar[Metric | None] = own()

    with pytest.raises(InvalidDeclaration, match=r"Sold.*'gift.card.design'"):
        record(Sold())


def test_a_field_of_no_kind_is_named() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Sold(Event):
        name: ClassVar[str] = "gift.card.sold"
        design: str = "wedding"

    with pytest.raises(InvalidDeclaration, match="'design' is of no kind"):
        Sold.shape()
