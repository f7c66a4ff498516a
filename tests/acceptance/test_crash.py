"""A real engine, a real Prometheus, strict pagers; SIGKILL at every named step of the pipeline."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from acceptance.gauges import Gauges
from acceptance.real_engine import RealEngine, SandboxProcess
from real_prometheus import wait_until
from shopwatch_engine.model import Action
from shopwatch_engine.steps import Step

PLACES = [
    f"{step.value}:{action.value}"
    for action in (Action.TRIGGER, Action.EVIDENCE, Action.RESOLVE)
    for step in Step
    # trigger and evidence are owed by the same transaction
    if not (action is Action.EVIDENCE and step in (Step.BEFORE_COMMIT, Step.AFTER_COMMIT))
]


def rule(case: str) -> str:
    return f"""
groups:
  - name: {case}
    interval: 200ms
    rules:
      - alert: Broken
        expr: test_broken{{case="{case}"}} > 0
        labels: {{severity: critical}}
        annotations: {{summary: "case {case} is broken"}}
"""


@pytest.mark.parametrize("place", PLACES)
def test_a_kill_at_any_step_loses_and_doubles_nothing(
    place: str, gauges: Gauges, pagers: SandboxProcess, engine: Callable[[str], RealEngine]
) -> None:
    case = place.replace(":", "-")
    title = f"case {case} is broken"
    gauges.set(case, 0)
    running = engine(rule(case))

    def both(status: str) -> bool:
        found = [one["status"] for one in pagers.incidents(title)]
        return found == [status, status]

    running.start({"SHOPWATCH_KILL_AT": place})
    gauges.set(case, 1)
    if place.endswith(":resolve"):
        wait_until(lambda: both("triggered"), within_s=20, what=f"{title}: triggered at both pagers")
        gauges.set(case, 0)
    running.wait_until_killed()
    running.start()
    if not place.endswith(":resolve"):
        wait_until(lambda: both("triggered"), within_s=20, what=f"{title}: triggered at both pagers")
        wait_until(lambda: running.deliveries("evidence") == ["delivered"] * 2, within_s=20, what="evidence")
        gauges.set(case, 0)
    wait_until(lambda: both("resolved"), within_s=20, what=f"{title}: resolved at both pagers")
    assert running.stop() == 0
    assert both("resolved")
