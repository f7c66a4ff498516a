"""Metrics of the rule engine."""

from __future__ import annotations

from typing import Final

from shopwatch.catalogue.attributes import (
    ACTION,
    ALERT_STATE,
    HTTP_BUCKETS,
    INTEGRATION,
    RESULT,
    RULE_GROUP,
)
from shopwatch.catalogue.model import Kind, Metric

ENGINE_EVALUATIONS: Final = Metric(
    name="shopwatch.engine.evaluations",
    kind=Kind.COUNTER,
    unit="{evaluation}",
    description="Rule evaluations by group and result (success, failure).",
    attributes=(RULE_GROUP, RESULT),
)
ENGINE_PASS_DURATION: Final = Metric(
    name="shopwatch.engine.pass.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Duration of one pass over a rule group, query to commit.",
    attributes=(RULE_GROUP,),
    buckets=HTTP_BUCKETS,
)
ENGINE_MISSED: Final = Metric(
    name="shopwatch.engine.passes_missed",
    kind=Kind.COUNTER,
    unit="{pass}",
    description="Passes that did not happen because an earlier one took too long.",
    attributes=(RULE_GROUP,),
)
ENGINE_ALERTS: Final = Metric(
    name="shopwatch.engine.alerts",
    kind=Kind.GAUGE,
    unit="{alert}",
    description="Alerts by state (pending, firing, keep_firing, unknown).",
    attributes=(ALERT_STATE,),
)
ENGINE_DELIVERIES: Final = Metric(
    name="shopwatch.engine.deliveries",
    kind=Kind.COUNTER,
    unit="{delivery}",
    description="Attempts to deliver, by integration, action and result (delivered, retried, dead).",
    attributes=(INTEGRATION, ACTION, RESULT),
)
ENGINE_DELIVERY_DELAY: Final = Metric(
    name="shopwatch.engine.delivery.delay",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="Time from the transaction that owes a trigger or resolve to its delivery.",
    attributes=(INTEGRATION, ACTION),
    buckets=HTTP_BUCKETS,
)
ENGINE_STORE_RETRIES: Final = Metric(
    name="shopwatch.engine.store.retries",
    kind=Kind.COUNTER,
    unit="{retry}",
    description="Transactions that were tried again because the store was busy or its disk full.",
)

ENGINE_METRICS: Final = (
    ENGINE_EVALUATIONS,
    ENGINE_PASS_DURATION,
    ENGINE_MISSED,
    ENGINE_ALERTS,
    ENGINE_DELIVERIES,
    ENGINE_DELIVERY_DELAY,
    ENGINE_STORE_RETRIES,
)
