"""An error is not a recovery: neither a Prometheus that is gone nor a rule that begins to fail resolves."""

from __future__ import annotations

import time
from collections.abc import Callable

from acceptance.gauges import Gauges
from acceptance.real_engine import RealEngine, SandboxProcess
from real_prometheus import RealPrometheus, wait_until


def rules(case: str, expr: str) -> str:
    return f"""
groups:
  - name: {case}
    interval: 200ms
    rules:
      - alert: Broken
        expr: {expr}
        labels: {{severity: critical}}
        annotations: {{summary: "case {case} is broken"}}
"""


def statuses(pagers: SandboxProcess, case: str) -> list[str]:
    return [one["status"] for one in pagers.incidents(f"case {case} is broken")]


def test_prometheus_stops_while_an_alert_fires(
    gauges: Gauges, metrics: RealPrometheus, pagers: SandboxProcess, engine: Callable[[str], RealEngine]
) -> None:
    gauges.set("gone", 1)
    # a range: when Prometheus is back, it is empty until two samples are in it again
    expr = 'count_over_time(test_broken{case="gone"}[2s]) > 3'
    running = engine(rules("gone", expr))
    running.start()
    wait_until(lambda: statuses(pagers, "gone") == ["triggered"] * 2, within_s=20, what="both pages")
    metrics.stop()
    held_from = time.monotonic()
    wait_until(lambda: running.alerts()["Broken"]["unknown"], within_s=10, what="the alert is unknown")
    wait_until(lambda: time.monotonic() - held_from > 3, within_s=5, what="fifteen passes without an answer")
    assert statuses(pagers, "gone") == ["triggered"] * 2
    metrics.start()
    wait_until(lambda: not running.alerts()["Broken"]["unknown"], within_s=10, what="known again")
    wait_until(
        lambda: metrics.query('count_over_time(test_broken{case="gone"}[2s]) > 3'),
        within_s=10,
        what="the range is full",
    )
    assert statuses(pagers, "gone") == ["triggered"] * 2
    gauges.set("gone", None)
    wait_until(lambda: statuses(pagers, "gone") == ["resolved"] * 2, within_s=20, what="both resolves")


def test_a_rule_whose_query_begins_to_fail(
    gauges: Gauges, metrics: RealPrometheus, pagers: SandboxProcess, engine: Callable[[str], RealEngine]
) -> None:
    gauges.set("fails", 1)
    # one to one only while the second series is not there
    one_to_one = 'sum(test_broken{case="fails"}) * on() test_broken{case=~"fails.*"}'
    expr = f'test_broken{{case="fails"}} > 0 and on() ({one_to_one})'
    running = engine(rules("fails", f"'{expr}'"))
    running.start()
    wait_until(lambda: statuses(pagers, "fails") == ["triggered"] * 2, within_s=20, what="both pages")
    gauges.set("fails-too", 1)
    metrics.wait_for('test_broken{case="fails-too"}')
    wait_until(lambda: running.alerts()["Broken"]["unknown"], within_s=10, what="the alert is unknown")
    gauges.set("fails", 0)
    metrics.wait_for('test_broken{case="fails"} == 0')
    assert running.alerts()["Broken"]["state"] == "firing"
    assert statuses(pagers, "fails") == ["triggered"] * 2
    gauges.set("fails-too", None)
    wait_until(lambda: statuses(pagers, "fails") == ["resolved"] * 2, within_s=20, what="both resolves")
