"""Business metrics of a shop."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    OUTCOME,
    PAYMENT_PROVIDER,
)
from shopwatch.catalogue.model import Kind, Metric

LOGIN_ATTEMPTS: Final = Metric(
    name="shopwatch.login.attempts",
    kind=Kind.COUNTER,
    unit="{attempt}",
    description="Login attempts by outcome (success, failure).",
    attributes=(OUTCOME,),
)
ORDERS: Final = Metric(
    name="shopwatch.orders",
    kind=Kind.COUNTER,
    unit="{order}",
    description="Orders by outcome (placed, failed, declined).",
    attributes=(OUTCOME,),
)
PAYMENTS: Final = Metric(
    name="shopwatch.payments",
    kind=Kind.COUNTER,
    unit="{payment}",
    description="Payments by provider and outcome (approved, declined, error).",
    attributes=(PAYMENT_PROVIDER, OUTCOME),
)

SHOP_METRICS: Final = (
    LOGIN_ATTEMPTS,
    ORDERS,
    PAYMENTS,
)
